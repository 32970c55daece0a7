"""The HTTP server: all routes together, starting and stopping."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from pathlib import Path

from aiohttp import web

from ... import routes as pack_routes
from ..host import sandboxed
from ..sandbox import Sandbox
from ..sandbox import running as running_sandbox
from . import stubs
from .describing import Descriptions
from .files import Files
from .messages import MAX_UPLOAD
from .middleware import control_caches, on, refuse_other_origins
from .pack import Pack
from .playground import Playground
from .prompts import Prompts
from .userdata import Userdata

ADDRESS = "127.0.0.1"
SHUTDOWN_TIMEOUT = 1.0  # seconds that a request may still take when the playground stops


@contextlib.contextmanager
def running(
    root: Path, *, port: int = 0, frontend: Path | None = None, sandbox: Sandbox | bool = False
) -> Iterator[Playground]:
    """A playground that runs in a thread of its own for as long as the block lasts; ``url`` is its address.

    ``root`` is its folder and port 0 takes a free one. ``sandbox`` puts this stand-in for the API behind its nodes,
    True a new one. Raises OSError when the port is taken and InputError when there is no frontend.
    """
    with contextlib.ExitStack() as stack:
        playground = Playground(root, frontend)
        if sandbox:
            stand_in = sandbox if isinstance(sandbox, Sandbox) else Sandbox()
            base_url = stack.enter_context(running_sandbox(stand_in)).base_url
            playground.overrides = sandboxed(base_url, str(playground.folders.private))
        playground.folders.prepare()
        stack.enter_context(_thread(playground, port))
        yield playground


def application(playground: Playground) -> web.Application:
    """All routes, each with and without the prefix ``/api``, and the frontend's files."""
    table = web.RouteTableDef()
    pack_routes.install(table)
    stubs.install(table)
    folders = playground.folders
    for routes in (
        Userdata(folders.user),
        Files(folders),
        Descriptions(playground),
        Prompts(playground),
        Pack(folders.frontend),
    ):
        routes.install(table)

    app = web.Application(
        client_max_size=MAX_UPLOAD, middlewares=[refuse_other_origins, control_caches, on(playground.host)]
    )
    for route in [route for route in table if isinstance(route, web.RouteDef)]:
        app.router.add_route(route.method, f"/api{route.path}", route.handler)
        app.router.add_route(route.method, route.path, route.handler)

    async def start_page(request: web.Request) -> web.FileResponse:
        return web.FileResponse(folders.frontend / "index.html")

    app.router.add_get("/", start_page)
    app.router.add_static("/", folders.frontend)

    async def background(app: web.Application) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(work) for work in (playground.messages.publish(), playground.queue.work())]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def hang_up(app: web.Application) -> None:
        await playground.messages.close()

    app.cleanup_ctx.append(background)
    app.on_shutdown.append(hang_up)
    return app


@contextlib.contextmanager
def _thread(playground: Playground, port: int) -> Iterator[None]:
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def live() -> None:
        leave = asyncio.Event()
        runner = web.AppRunner(application(playground), access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT)
        try:
            await runner.setup()
            await web.TCPSite(runner, ADDRESS, port).start()
        except BaseException as error:
            await runner.cleanup()
            started.set_exception(error)
            return
        playground.url = f"http://{ADDRESS}:{runner.addresses[0][1]}"
        started.set_result((asyncio.get_running_loop(), leave))
        try:
            await leave.wait()
        finally:
            await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(live()), name="lumenfall-playground", daemon=True)
    thread.start()
    try:
        loop, leave = started.result()
        try:
            yield
        finally:
            loop.call_soon_threadsafe(leave.set)
    finally:
        thread.join()
