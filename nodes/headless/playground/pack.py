"""Routes for what ComfyUI serves of a pack: browser extension, translations, blueprints, example workflows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web

from .folders import PACK, PACK_ROOT, contained

NOTICE = "/extensions/lumenfall-playground/notice.js"
EXAMPLES = PACK_ROOT / "example_workflows"


class Pack:
    """``frontend`` is the folder of the frontend, whose own extensions come first."""

    def __init__(self, frontend: Path) -> None:
        self._frontend = frontend

    def install(self, table: web.RouteTableDef) -> None:
        table.get("/extensions")(self._extensions)
        table.get("/i18n")(self._translations)
        table.get("/global_subgraphs")(self._blueprints)
        table.get("/global_subgraphs/{id}")(self._blueprint)
        table.get("/workflow_templates")(self._examples)
        table.get(f"/workflow_templates/{PACK}/{{name}}")(self._example)
        table.get(NOTICE)(self._notice)
        table.get(f"/extensions/{PACK}/{{path:.+}}")(self._file)

    async def _extensions(self, request: web.Request) -> web.Response:
        own = [f"/{path.relative_to(self._frontend).as_posix()}" for path in self._frontend.glob("extensions/**/*.js")]
        web_folder = PACK_ROOT / "web"
        ours = [
            f"/extensions/{PACK}/{quote(path.relative_to(web_folder).as_posix())}"
            for path in web_folder.glob("**/*.js")
        ]
        return web.json_response([*sorted(own), *sorted(ours), NOTICE])

    async def _notice(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(Path(__file__).with_name("notice.js"))

    async def _file(self, request: web.Request) -> web.FileResponse:
        return _served(contained(PACK_ROOT / "web", request.match_info["path"]))

    async def _translations(self, request: web.Request) -> web.Response:
        languages = sorted(path for path in (PACK_ROOT / "locales").glob("*") if path.is_dir())
        return web.json_response({folder.name: _translation(folder) for folder in languages})

    async def _blueprints(self, request: web.Request) -> web.Response:
        return web.json_response({name: _about(path) for name, path in _blueprint_files().items()})

    async def _blueprint(self, request: web.Request) -> web.Response:
        path = _blueprint_files().get(request.match_info["id"])
        if path is None:
            return web.json_response(None)
        return web.json_response({**_about(path), "data": path.read_text(encoding="utf-8")})

    async def _examples(self, request: web.Request) -> web.Response:
        return web.json_response({PACK: sorted(path.stem for path in EXAMPLES.glob("*.json"))})

    async def _example(self, request: web.Request) -> web.FileResponse:
        return _served(contained(EXAMPLES, request.match_info["name"]))


def _served(path: Path) -> web.FileResponse:
    if not path.is_file():
        raise web.HTTPNotFound
    return web.FileResponse(path)


def _translation(folder: Path) -> dict[str, Any]:
    """The files of one language as one object: main.json at the top, each of the others under its name."""
    translation = _read(folder / "main.json")
    for name in ("nodeDefs", "commands", "settings"):
        found = _read(folder / f"{name}.json")
        if found:
            translation[name] = found
    return translation


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _blueprint_files() -> Mapping[str, Path]:
    """By ids that stay the same wherever the pack lies."""
    files = sorted((PACK_ROOT / "subgraphs").glob("*.json"))
    return {hashlib.sha256(f"custom_node{PACK}/subgraphs/{path.name}".encode()).hexdigest(): path for path in files}


def _about(path: Path) -> dict[str, Any]:
    return {"source": "custom_node", "name": path.stem, "info": {"node_pack": f"custom_nodes.{PACK}"}}
