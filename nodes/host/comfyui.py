"""ComfyUI as the host. Its modules are taken from ``sys.modules``: the pack never imports it by itself."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Collection, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from .base import Host, Place, Prepare

PREVIEW_SIDE = 512
"""Pixels of the longer side, as ComfyUI's own previews."""

_prepares: set[Prepare] = set()


class ComfyUI(Host):
    """The bar on the node, ComfyUI's Stop button, and its user folder."""

    def environ(self) -> Mapping[str, str]:
        return os.environ

    def data_dir(self) -> Path:
        """``user/__lumenfall``: a system-user folder, which ComfyUI's routes do not serve (from 0.3.76 on)."""
        return Path(_module("folder_paths").get_user_directory()) / "__lumenfall"

    def place(self) -> Place:
        context = _module("comfy_execution.utils").get_executing_context()
        return Place() if context is None else Place(context.prompt_id, context.node_id)

    def before_each_run(self, prepare: Prepare) -> None:
        if prepare in _prepares:
            return
        _prepares.add(prepare)

        def handle(posted: dict[str, Any]) -> dict[str, Any]:
            extra = posted.setdefault("extra_data", {})
            texts = extra.get("extra_pnginfo") or {}
            prepare(posted.get("prompt") or {}, texts)
            if texts:
                extra["extra_pnginfo"] = texts
            return posted

        _module("server").PromptServer.instance.add_on_prompt_handler(handle)

    def progress(self, text: str) -> None:
        """To the pack's own bar on the node: ComfyUI's progress text stays behind after the run in some versions."""
        self._tell("lumenfall.progress", {"text": text})

    def failure(self, error: Mapping[str, Any], link: str | None) -> None:
        self._tell("lumenfall.error", {"error": dict(error), "link": link})

    def _tell(self, event: str, told: dict[str, Any]) -> None:
        server = _module("server").PromptServer.instance
        context = _module("comfy_execution.utils").get_executing_context()
        # Without a client (a bare POST /prompt) the host would broadcast it to everybody.
        if context is not None and server.client_id is not None:
            server.send_sync(event, {"node": context.node_id, "prompt_id": context.prompt_id, **told}, server.client_id)

    def preview(self, picture: Image.Image) -> None:
        """The way samplers show theirs; ComfyUI finds the node by the task."""
        _module("comfy.utils").ProgressBar(1).update_absolute(0, 1, ("JPEG", picture, PREVIEW_SIDE))

    def shown_dir(self) -> Path | None:
        """In its temporary folder, which it serves, and empties when it starts."""
        # Without a client (a bare POST /prompt) no page waits for it.
        if _module("server").PromptServer.instance.client_id is None:
            return None
        return Path(_module("folder_paths").get_temp_directory()) / "lumenfall"

    def running_ids(self) -> Collection[str]:
        queue = _module("server").PromptServer.instance.prompt_queue
        # As it puts them there: number, id, graph and more.
        return {str(item[1]) for item in list(queue.currently_running.values())}

    def interrupted(self) -> bool:
        return bool(_module("comfy.model_management").processing_interrupted())

    def interruption(self) -> BaseException:
        """ComfyUI's own exception: any other would be shown as an error."""
        found: BaseException = _module("comfy.model_management").InterruptProcessingException()
        return found

    def in_main_thread(self, task: Callable[[], None]) -> None:
        """ComfyUI runs its server there, and nodes in another thread."""
        with contextlib.suppress(RuntimeError):  # that loop is closed
            _module("server").PromptServer.instance.loop.call_soon_threadsafe(task)

    def node_classes(self) -> Mapping[str, type[Any]]:
        """Its own nodes, and those of all packs that it has loaded."""
        # As its server imported it: a pack may have put a module of its own into sys.modules under this name.
        table: Mapping[str, type[Any]] = _module("server").nodes.NODE_CLASS_MAPPINGS
        return table

    def svg_class(self) -> Callable[[list[BytesIO]], Any] | None:
        """Of its API, where that has one (0.3.64 says Any there), else of the module of its Save SVG."""
        api = getattr(sys.modules.get("comfy_api.latest"), "io", None)
        kind = getattr(getattr(api, "SVG", None), "Type", None)
        if hasattr(kind, "combine_all"):
            return kind
        node = self.node_classes().get("SaveSVGNode")
        return getattr(sys.modules.get(getattr(node, "__module__", "")), "SVG", None)

    def free_nodes(self) -> Mapping[str, type[Any]]:
        """ComfyUI's loaders of pictures, as long as they keep the V1 contract (V3's have a schema)."""
        table = self.node_classes()
        loaders = {name: table[name] for name in ("LoadImage", "LoadImageMask") if name in table}
        return {name: node for name, node in loaders.items() if not hasattr(node, "define_schema")}


def _module(name: str) -> Any:
    return sys.modules[name]
