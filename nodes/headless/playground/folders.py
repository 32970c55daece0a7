"""The folders of a playground, and where the pack's files and the frontend's are."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from ...errors import InputError
from ...host.files import create
from ..folders import Folders, within

PACK = "comfyui-lumenfall"
"""The folder name under which the pack's files are served, as if it were in ComfyUI's custom_nodes."""

_INSTALLED = Path(__file__).parents[2] / "pack"
"""Where a wheel puts what is not Python."""

PACK_ROOT = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[3]


@dataclass(frozen=True)
class PlaygroundFolders:
    """``root`` holds input, output, temp and user; ``frontend`` is a built frontend with an index.html."""

    root: Path
    frontend: Path

    @property
    def of_nodes(self) -> Folders:
        """Where nodes read and write."""
        return Folders(self.root / "input", self.root / "output", self.root / "temp")

    @property
    def user(self) -> Path:
        """Settings and saved workflows, which the browser may read."""
        return self.root / "user" / "default"

    @property
    def private(self) -> Path:
        """The pack's own data in the sandbox, which no route serves."""
        return self.root / "user" / "__lumenfall"

    def prepare(self) -> None:
        """Make the folders, empty the temporary one, and put the pictures of the examples into the input folder."""
        folders = self.of_nodes
        shutil.rmtree(folders.temp, ignore_errors=True)
        asked_for_at_start = (self.user / "workflows", self.user / "subgraphs")
        for folder in (folders.input, folders.output, folders.temp, *asked_for_at_start):
            folder.mkdir(parents=True, exist_ok=True)
        create(self.user / "comfy.templates.json", b"[]")  # asked for at start, too
        for picture in (PACK_ROOT / "example_workflows" / "input").glob("*.png"):
            create(folders.input / picture.name, picture.read_bytes())


def find_frontend(chosen: Path | None) -> Path:
    """``chosen``, or the static folder of the installed comfyui-frontend-package. Raises InputError."""
    folder = chosen
    if folder is None:
        spec = importlib.util.find_spec("comfyui_frontend_package")
        if spec is None or spec.origin is None:
            raise InputError(
                "ComfyUI's frontend is not installed.",
                hint='Install it with pip install "lumenfall[playground]", or name a folder with --frontend.',
            )
        folder = Path(spec.origin).parent / "static"
    if not (folder / "index.html").is_file():
        raise InputError(f"{folder} holds no frontend: it has no index.html.")
    if not (PACK_ROOT / "web").is_dir():
        raise InputError(
            "The playground needs the pack's web folder, which is not installed.",
            hint='Run it from a clone of the repository: pip install -e ".[playground]".',
        )
    return folder.resolve()


def contained(folder: Path, *parts: str) -> Path:
    """``folder`` with ``parts`` below it. Raises 403 if that leads out of it."""
    path = folder.joinpath(*parts)
    if not within(folder, path):
        raise web.HTTPForbidden(text="This path leads out of its folder.")
    return path
