"""Routes for the one user's settings and files, such as saved workflows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from ...host.files import create, move, write_durably
from .folders import contained


class Userdata:
    """``folder`` is all that these routes read and write."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._settings_file = folder / "comfy.settings.json"

    def install(self, table: web.RouteTableDef) -> None:
        table.get("/users")(self._users)
        table.get("/settings")(self._settings)
        table.post("/settings")(self._change_settings)
        table.get("/settings/{id}")(self._setting)
        table.post("/settings/{id}")(self._change_setting)
        table.get("/userdata")(self._list)
        table.get("/v2/userdata")(self._list_all)
        table.get("/user.css")(self._stylesheet)
        table.get("/userdata/user.css")(self._stylesheet)
        table.get("/userdata/{file}")(self._get)
        table.post("/userdata/{file}")(self._post)
        table.delete("/userdata/{file}")(self._delete)
        table.post("/userdata/{file}/move/{dest}")(self._move)

    async def _users(self, request: web.Request) -> web.Response:
        return web.json_response({"storage": "server", "migrated": True})

    async def _settings(self, request: web.Request) -> web.Response:
        return web.json_response(self._read_settings())

    async def _setting(self, request: web.Request) -> web.Response:
        return web.json_response(self._read_settings().get(request.match_info["id"]))

    async def _change_settings(self, request: web.Request) -> web.Response:
        changes = await _json(request)
        if not isinstance(changes, dict):
            raise web.HTTPBadRequest(text="The body must be a JSON object.")
        self._write_settings(changes)
        return web.Response()

    async def _change_setting(self, request: web.Request) -> web.Response:
        self._write_settings({request.match_info["id"]: await _json(request)})
        return web.Response()

    def _read_settings(self) -> dict[str, Any]:
        try:
            settings = json.loads(self._settings_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return settings if isinstance(settings, dict) else {}

    def _write_settings(self, changes: dict[str, Any]) -> None:
        text = json.dumps({**self._read_settings(), **changes}, indent=4)
        self._folder.mkdir(parents=True, exist_ok=True)
        write_durably(self._settings_file, text.encode("utf-8"))

    async def _list(self, request: web.Request) -> web.Response:
        """Paths below ``dir``; as lists of their parts with ``split``, as objects with ``full_info``."""
        if not request.query.get("dir"):
            raise web.HTTPBadRequest(text="Directory not provided")
        folder = contained(self._folder, request.query["dir"])
        if not folder.is_dir():
            raise web.HTTPNotFound(text="Directory not found")
        full_info, split = _is_true(request, "full_info"), _is_true(request, "split")
        found: list[Any] = []
        for path in sorted(folder.glob("**/*" if _is_true(request, "recurse") else "*")):
            if path.is_file():
                name = path.relative_to(folder).as_posix()
                found.append(_info(path, folder) if full_info else [name, *name.split("/")] if split else name)
        return web.json_response(found)

    async def _list_all(self, request: web.Request) -> web.Response:
        """All folders, then all files below ``path``."""
        folder = contained(self._folder, request.query.get("path", ""))
        if not folder.exists():
            raise web.HTTPNotFound(text="Requested path not found")
        if not folder.is_dir():
            raise web.HTTPBadRequest(text="Requested path is not a directory")
        found = []
        for path in folder.glob("**/*"):
            about: dict[str, Any] = {"name": path.name, "path": path.relative_to(self._folder).as_posix()}
            if path.is_dir():
                found.append({**about, "type": "directory"})
            else:
                status = path.stat()
                found.append({**about, "type": "file", "size": status.st_size, "modified": status.st_mtime})
        found.sort(key=lambda one: (one["type"] != "directory", one["name"].lower()))
        return web.json_response(found)

    async def _get(self, request: web.Request) -> web.FileResponse:
        # A saved file is the user's, and never a page of this server.
        headers = {"X-Content-Type-Options": "nosniff", "Content-Disposition": "attachment"}
        kind = "application/json" if request.match_info["file"].endswith(".json") else "application/octet-stream"
        return web.FileResponse(self._existing(request), headers={**headers, "Content-Type": kind})

    async def _stylesheet(self, request: web.Request) -> web.StreamResponse:
        """The user's own, which the start page asks for, or an empty one."""
        path = self._folder / "user.css"
        headers = {"Content-Type": "text/css"}
        return web.FileResponse(path, headers=headers) if path.is_file() else web.Response(headers=headers)

    async def _post(self, request: web.Request) -> web.Response:
        path, content = self._path(request, "file"), await request.read()
        path.parent.mkdir(parents=True, exist_ok=True)
        if _may_overwrite(request):
            write_durably(path, content)
        elif not create(path, content):
            raise _taken()
        return self._about(request, path)

    async def _delete(self, request: web.Request) -> web.Response:
        self._existing(request).unlink()
        return web.Response(status=204)

    async def _move(self, request: web.Request) -> web.Response:
        source, destination = self._existing(request), self._path(request, "dest")
        destination.parent.mkdir(parents=True, exist_ok=True)
        if _may_overwrite(request):
            source.replace(destination)
        elif not move(source, destination):
            raise _taken()
        return self._about(request, destination)

    def _path(self, request: web.Request, name: str) -> Path:
        # Some frontends encode the slashes of a path twice.
        path = contained(self._folder, unquote(request.match_info[name]))
        if path.is_dir():
            raise web.HTTPBadRequest(text="This is a folder.")
        return path

    def _existing(self, request: web.Request) -> Path:
        path = self._path(request, "file")
        if not path.is_file():
            raise web.HTTPNotFound
        return path

    def _about(self, request: web.Request, path: Path) -> web.Response:
        full_info = _is_true(request, "full_info")
        return web.json_response(_info(path, self._folder) if full_info else path.relative_to(self._folder).as_posix())


def _may_overwrite(request: web.Request) -> bool:
    return request.query.get("overwrite") != "false"


def _taken() -> web.HTTPConflict:
    return web.HTTPConflict(text="File already exists")


async def _json(request: web.Request) -> Any:
    try:
        return await request.json()
    except ValueError:
        raise web.HTTPBadRequest(text="The body must be JSON.") from None


def _is_true(request: web.Request, name: str) -> bool:
    return request.query.get(name, "").lower() == "true"


def _info(path: Path, folder: Path) -> dict[str, Any]:
    status = path.stat()
    times = {"modified": int(status.st_mtime * 1000), "created": int(status.st_ctime * 1000)}
    return {"path": path.relative_to(folder).as_posix(), "size": status.st_size, **times}
