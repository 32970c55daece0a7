"""Which path is answered by which function, and who may ask it.

Each request passes :mod:`.guard`, then one function of a module beside it answers. All answers are JSON, but for
pictures; errors are ``{"error": {"code", "message", "hint"}}``.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CredentialError, InputError, LumenfallError
from ..host import Host, current, folder_name
from .guard import Needs, Visit, refusal, why_no_changes

if TYPE_CHECKING:
    from aiohttp import web

log = logging.getLogger(__name__)

MAX_BODY = 32 << 20
"""Bytes: a large graph, for its estimate."""

_STATUS = {"NOT_FOUND": 404, "LOCKED": 409, "KEY_NEEDED": 409, "IN_THE_AIR": 409}

Handler = Callable[["web.Request", Host], Awaitable["web.StreamResponse | dict[str, Any]"]]


def install(table: web.RouteTableDef, current_host: Callable[[], Host] = current) -> None:
    """Add the routes to ``table``. ``current_host`` gives the host that a request is about."""
    routes: list[tuple[str, str, Handler, Needs]] = [
        ("GET", "/models", _models, Needs.ANY_NAME),
        ("POST", "/estimate", _estimate, Needs.ANY_NAME),
        ("GET", "/settings", _settings, Needs.KNOWN_NAME),
        ("GET", "/spend", _spend, Needs.KNOWN_NAME),
        ("GET", "/balance", _balance, Needs.KNOWN_NAME),
        ("GET", "/calls", _calls, Needs.KNOWN_NAME),
        ("GET", "/calls/{id}/graph", _graph, Needs.KNOWN_NAME),
        ("GET", "/calls/{id}/pictures/{number:[0-9]{1,9}}", _picture, Needs.KNOWN_NAME),
        ("POST", "/settings", _change_settings, Needs.OWN_MACHINE),
        ("POST", "/test", _test, Needs.OWN_MACHINE),
        ("POST", "/calls/{id}/give-up", _give_up, Needs.OWN_MACHINE),
    ]
    for method, path, handler, needs in routes:
        table.route(method, f"/lumenfall{path}")(_guarded(handler, needs, current_host))


def install_in_comfyui() -> None:
    """Add the routes to ComfyUI's server, while it loads its packs; nothing where there is none, or where another copy
    of the pack has added its own: a clone and what a manager installed have folders of different names.
    """
    server = getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)
    if server is None:
        return
    folder = Path(__file__).parents[2].name
    hidden = folder_name.hidden_by(folder)
    if hidden is not None:
        log.warning(
            "Lumenfall: of a pack in a folder called %s ComfyUI's page gets no %s. Rename the folder: letters, digits, "
            "- and _ will do, such as comfyui-lumenfall. Then start ComfyUI again.",
            folder,
            hidden,
        )
    for route in server.routes:
        if getattr(route, "path", None) == "/lumenfall/models":
            folders = " and ".join(
                str(Path(file).parents[2]) for file in (route.handler.__code__.co_filename, __file__)
            )
            log.warning("Lumenfall is installed twice: %s. Remove one of both, then start ComfyUI again.", folders)
            return
    install(server.routes)


def _guarded(
    handler: Handler, needs: Needs, current_host: Callable[[], Host]
) -> Callable[[web.Request], Awaitable[Any]]:
    async def serve(request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        host = current_host()
        refused = refusal(_visit(request), host.environ(), needs)
        if refused is not None:
            return _error(refused.status, refused.code, refused.message, refused.hint)
        try:
            answer = await handler(request, host)
            return answer if isinstance(answer, web.StreamResponse) else _json(answer)
        except _BadRequest as error:
            return _error(error.status, "BAD_REQUEST", str(error))
        except LumenfallError as error:
            status = _STATUS.get(error.code, 400 if isinstance(error, (InputError, CredentialError)) else 502)
            return _error(status, error.code, error.message, error.hint)
        except Exception as error:
            # Whatever it is, its text may hold what was sent.
            log.error("A route failed: %s", type(error).__name__)
            return _error(500, "INTERNAL", f"{type(error).__name__} in the pack's route.")

    return serve


class _BadRequest(Exception):
    """What was asked cannot be read."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def _visit(request: web.Request) -> Visit:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Visit(request.method, headers, request.remote)


async def _models(request: web.Request, host: Host) -> dict[str, Any]:
    from . import models

    return await models.list_models(host, refresh=request.query.get("refresh") == "true")


async def _settings(request: web.Request, host: Host) -> dict[str, Any]:
    from . import settings

    return _with_permission(await settings.show(host), request, host)


async def _change_settings(request: web.Request, host: Host) -> dict[str, Any]:
    from . import settings

    changed = await settings.change(host, await _read(request, settings.Change))
    return _with_permission(changed, request, host)


async def _test(request: web.Request, host: Host) -> dict[str, Any]:
    from . import settings

    return await settings.test(host, await _read(request, settings.Trial))


async def _estimate(request: web.Request, host: Host) -> dict[str, Any]:
    from . import estimate

    asked = await _read(request, estimate.EstimateRequest)
    return await estimate.estimate(host, asked)


async def _spend(request: web.Request, host: Host) -> dict[str, Any]:
    from . import spending

    return await spending.spend(host)


async def _balance(request: web.Request, host: Host) -> dict[str, Any]:
    from . import spending

    return await spending.balance(host)


async def _calls(request: web.Request, host: Host) -> dict[str, Any]:
    from . import history

    limit = _number(request.query, "limit")
    page = 30 if limit is None else max(1, limit)
    return await history.history(host, request.query.get("before"), page, request.query.get("search", ""))


async def _graph(request: web.Request, host: Host) -> dict[str, Any]:
    from . import history

    return await history.graph(host, request.match_info["id"])


async def _give_up(request: web.Request, host: Host) -> dict[str, Any]:
    from . import consent

    return await consent.give_up(host, request.match_info["id"])


async def _picture(request: web.Request, host: Host) -> web.StreamResponse:
    from aiohttp import web

    from . import history

    side = _number(request.query, "side")
    if side is not None and not 1 <= side <= history.MAX_SIDE:
        raise _BadRequest(f"side must be 1 to {history.MAX_SIDE}.")
    content, media_type = await history.picture(host, request.match_info["id"], int(request.match_info["number"]), side)
    return web.Response(body=content, content_type=media_type, headers=_HEADERS)


def _with_permission(shown: dict[str, Any], request: web.Request, host: Host) -> dict[str, Any]:
    why_not = why_no_changes(_visit(request), host.environ())
    return {**shown, "may_change": why_not is None, "why_not": why_not}


async def _read(request: web.Request, shape: Any) -> Any:
    """The body as ``shape``, a pydantic model. Its values are in no message: one may be a key."""
    from pydantic import ValidationError

    try:
        return shape.model_validate_json(await _body(request))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "The body"
        raise _BadRequest(f"{place}: {first['msg']}") from None


async def _body(request: web.Request) -> bytes:
    read = bytearray()
    async for chunk in request.content.iter_any():
        read += chunk
        if len(read) > MAX_BODY:
            raise _BadRequest(f"The body is larger than {MAX_BODY} bytes.", 413)
    return bytes(read)


def _number(query: Mapping[str, str], name: str) -> int | None:
    if name not in query:
        return None
    try:
        return int(query[name])
    except ValueError:
        raise _BadRequest(f"{name} must be a whole number.") from None


_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def _json(content: Any, status: int = 200) -> web.Response:
    from aiohttp import web

    return web.json_response(content, status=status, headers=_HEADERS, dumps=_dumps)


def _dumps(content: Any) -> str:
    # Escaped, since half a surrogate pair, as a cut prompt may end with, is nothing that UTF-8 can hold.
    return json.dumps(content, allow_nan=False)


def _error(status: int, code: str, message: str, hint: str = "") -> web.Response:
    return _json({"error": {"code": code, "message": message, "hint": hint}}, status)
