"""Routes for what ComfyUI has and a playground has not, such as models: the frontend asks, and gets an empty answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

EMPTY: dict[str, Any] = {
    "/embeddings": [],
    "/models": [],
    "/models/{folder}": [],
    "/experiment/models": [],
    "/experiment/models/{folder}": [],
    "/node_replacements": {},
    "/internal/logs": "",
    "/internal/logs/raw": {"entries": [], "size": {"cols": 80, "rows": 24}},
    "/internal/folder_paths": {},
    "/templates/{path:index.*\\.json}": [],
}


def install(table: web.RouteTableDef) -> None:
    for path, answer in EMPTY.items():
        table.get(path)(_always(answer))
    table.patch("/internal/logs/subscribe")(_nothing)
    table.post("/free")(_nothing)
    table.get("/favicon.ico")(_nothing)


def _always(answer: Any) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        return web.json_response(answer)

    return handle


async def _nothing(request: web.Request) -> web.Response:
    return web.Response()
