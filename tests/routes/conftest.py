"""The routes on a real server, with the sandbox behind them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from nodes.headless.host import Headless
from nodes.headless.sandbox import Sandbox, running
from nodes.routes import install
from nodes.spend import Journal
from nodes.table import NODE_CLASS_MAPPINGS
from tests.routes.page import KEY, Routes


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Routes]]:
    """Starts a server for a host with these environment variables."""
    stops: list[Callable[[], None]] = []

    def start(**overrides: str | None) -> Routes:
        host = Headless({"LUMENFALL_DATA_DIR": str(tmp_path / "private"), **overrides}, nodes=NODE_CLASS_MAPPINGS)
        started = threading.Event()
        address: list[Any] = []

        async def live() -> None:
            table = web.RouteTableDef()
            install(table, lambda: host)
            app = web.Application(client_max_size=1 << 30)
            app.add_routes(table)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            leave = asyncio.Event()
            address.extend([runner.addresses[0][1], asyncio.get_running_loop(), leave])
            started.set()
            await leave.wait()
            await runner.cleanup()

        thread = threading.Thread(target=lambda: asyncio.run(live()))
        thread.start()
        started.wait(30)
        port, loop, leave = address
        routes = Routes(f"http://127.0.0.1:{port}", host)

        def stop() -> None:
            routes.http.close()
            loop.call_soon_threadsafe(leave.set)
            thread.join(30)

        stops.append(stop)
        return routes

    yield start
    for stop in stops:
        stop()


@pytest.fixture
def locked() -> Iterator[Sandbox]:
    with running(api_key=KEY) as sandbox:
        yield sandbox


@pytest.fixture
def routes(serve: Callable[..., Routes], locked: Sandbox) -> Routes:
    """Routes whose settings name the sandbox and its key."""
    started = serve()
    started.post("/settings", {"base_url": locked.base_url, "key": KEY})
    return started


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    """A journal of the module's own."""
    return Journal(tmp_path_factory.mktemp("store"))
