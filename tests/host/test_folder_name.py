"""The name of the pack's folder: what ComfyUI's page lacks under it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from yarl import URL

from nodes.host.folder_name import hidden_by


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("comfyui-lumenfall", None),
        ("Lumenfall_2", None),
        ("lumenfall(1)", None),
        ("lumenfall (1)", "prices, "),
        ("my nodes", "prices, "),
        ("Knöten", "prices, "),
        ("画像", "prices, "),
        ("100%", "prices, "),
        ("comfyui-lumenfall-0.1.0", "help pages"),
        ("lumenfall@nightly", "help pages"),
    ],
)
def test_what_is_hidden_is_what_a_static_route_does_not_find(name: str, hidden: str | None, tmp_path: Path) -> None:
    """As ComfyUI adds its own for each pack, and lists the files of each to its page."""
    (tmp_path / "lumenfall.js").write_text("1")

    async def is_found() -> bool:
        app = web.Application()
        app.add_routes([web.static(f"/extensions/{name}", tmp_path)])
        async with TestServer(app) as server, ClientSession() as client:
            listed = f"http://127.0.0.1:{server.port}/extensions/{quote(name)}/lumenfall.js"
            async with client.get(URL(listed, encoded=True)) as answer:
                return answer.status == 200

    told = hidden_by(name)
    assert (told is None) == (hidden is None) and (told or "").startswith(hidden or "")
    assert asyncio.run(is_found()) == (hidden is None or hidden == "help pages")
