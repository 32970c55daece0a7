"""Routes for pictures: shown, uploaded, and given a painted mask."""

from __future__ import annotations

import asyncio
import io
import json
import mimetypes
from pathlib import Path
from typing import Any

from aiohttp import web
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from ...host.files import create, write_durably
from .folders import PlaygroundFolders, contained

TYPES = ("input", "output", "temp")


class Files:
    def __init__(self, folders: PlaygroundFolders) -> None:
        self._folders = {name: getattr(folders.of_nodes, name) for name in TYPES}

    def install(self, table: web.RouteTableDef) -> None:
        table.get("/view")(self._view)
        table.post("/upload/image")(self._upload)
        table.post("/upload/mask")(self._upload_mask)
        table.get("/internal/files/{type}")(self._list)

    async def _view(self, request: web.Request) -> web.StreamResponse:
        """A file as it is; ``preview=webp;90`` re-encoded; ``channel=rgb`` without, or ``a`` as only its alpha."""
        query = request.query
        path = self._find(query.get("filename", ""), query.get("type") or "output", query.get("subfolder", ""))
        if not path.is_file():
            raise web.HTTPNotFound
        channel = query.get("channel", "")
        if "preview" not in query and channel not in ("rgb", "a"):
            return _as_it_is(path, request.headers.get("Sec-Fetch-Dest"))
        try:
            body, kind = await asyncio.to_thread(_encoded, path, query.get("preview"), channel)
        except (UnidentifiedImageError, OSError):
            raise web.HTTPUnsupportedMediaType(text="This is not a picture.") from None
        return web.Response(body=body, content_type=f"image/{kind}")

    async def _upload(self, request: web.Request) -> web.Response:
        form = await _form(request)
        return await self._keep(form, form["image"])

    async def _upload_mask(self, request: web.Request) -> web.Response:
        """Save the picture that ``original_ref`` names with the alpha of the uploaded one."""
        form = await _form(request)
        try:
            original = json.loads(form["original_ref"])
            name = original["filename"]
        except (KeyError, TypeError, ValueError):
            raise web.HTTPBadRequest(text="original_ref must name a picture.") from None
        path = self._find(name, original.get("type") or "output", original.get("subfolder", ""))
        if not path.is_file():
            raise web.HTTPNotFound(text="There is no such original.")
        try:
            content = await asyncio.to_thread(_masked, path, form["image"])
        except (UnidentifiedImageError, OSError, ValueError) as error:
            raise web.HTTPBadRequest(text=f"The mask cannot be put on this picture: {error}") from None
        return await self._keep(form, content)

    async def _list(self, request: web.Request) -> web.Response:
        kind = request.match_info["type"]
        if kind not in TYPES:
            return web.json_response({"error": "Invalid directory type"}, status=400)
        files = [path for path in self._folders[kind].iterdir() if path.is_file() and not path.name.startswith(".")]
        files.sort(key=lambda path: -path.stat().st_mtime)
        return web.json_response([f"{path.name} [{kind}]" for path in files])

    def _find(self, name: str, kind: str, subfolder: str) -> Path:
        """The path behind a name, which may end in ``[input]`` and the like. Raises 400 or 403."""
        for label in TYPES:
            if name.endswith(f"[{label}]"):
                name, kind = name[: -len(label) - 2].rstrip(), label
        if not name or kind not in TYPES:
            raise web.HTTPBadRequest(text="A filename is needed, and the type input, output or temp.")
        return contained(self._folders[kind], subfolder, name)

    async def _keep(self, form: dict[str, Any], content: bytes) -> web.Response:
        kind, subfolder, name = form.get("type") or "input", form.get("subfolder", ""), form["filename"]
        path = self._find(name, kind, subfolder)
        overwrite = form.get("overwrite") in ("true", "1")
        name = await asyncio.to_thread(_write, path, content, overwrite)
        return web.json_response({"name": name, "subfolder": subfolder, "type": kind})


async def _form(request: web.Request) -> dict[str, Any]:
    """Text fields as text, the file "image" as bytes, and its name as "filename". Raises 400 without a file."""
    posted = await request.post()
    image = posted.get("image")
    if not isinstance(image, web.FileField) or not image.filename:
        raise web.HTTPBadRequest(text="A file named image is needed.")
    texts = {name: value for name, value in posted.items() if isinstance(value, str)}
    return {**texts, "image": image.file.read(), "filename": image.filename}


def _write(path: Path, content: bytes, overwrite: bool) -> str:
    """Write under this name or, if it is taken by something else, under a numbered one; the name that was used."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if overwrite:
        write_durably(path, content)
        return path.name
    stem, number = path.stem, 0
    while not create(path, content) and path.read_bytes() != content:
        number += 1
        path = path.with_name(f"{stem} ({number}){path.suffix}")
    return path.name


def _as_it_is(path: Path, place: str | None) -> web.FileResponse:
    """``place`` is where the browser puts it, by its own word."""
    kind = mimetypes.guess_type(path.name)[0] or ""
    headers = {"X-Content-Type-Options": "nosniff"}
    # Whatever else lies there, such as a page or an SVG with a script, must not run as a part of this server.
    if not kind.startswith("image/") or kind == "image/svg+xml":
        headers |= {"Vary": "Sec-Fetch-Dest", "Cache-Control": "no-store"}
        # In an <img> none of it runs.
        if kind != "image/svg+xml" or place != "image":
            headers |= {"Content-Type": "application/octet-stream", "Content-Disposition": "attachment"}
    return web.FileResponse(path, headers=headers)


def _encoded(path: Path, preview: str | None, channel: str) -> tuple[bytes, str]:
    file = io.BytesIO()
    with Image.open(path) as picture:
        if preview is not None:
            kind, _, quality = preview.partition(";")
            kind = "jpeg" if kind == "jpeg" and "a" not in channel else "webp"
            flat = kind == "jpeg" or channel == "rgb"
            shown = picture.convert("RGB") if flat else picture
            shown.save(file, kind, quality=int(quality) if quality.isdigit() else 90)
        elif channel == "a":
            kind, alpha = "png", Image.new("RGBA", picture.size)
            alpha.putalpha(picture.convert("RGBA").getchannel("A"))
            alpha.save(file, kind)
        else:
            kind = "png"
            picture.convert("RGB").save(file, kind)
    return file.getvalue(), kind


def _masked(original: Path, painted: bytes) -> bytes:
    texts = PngInfo()
    with Image.open(original) as picture, Image.open(io.BytesIO(painted)) as mask:
        for name, text in getattr(picture, "text", {}).items():
            texts.add_text(name, text)
        masked = picture.convert("RGBA")
        masked.putalpha(mask.convert("RGBA").getchannel("A"))
    file = io.BytesIO()
    masked.save(file, "PNG", compress_level=4, pnginfo=texts)
    return file.getvalue()
