"""Ways in which an answer that was made does not arrive: resets, silence, endlessness."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct

from aiohttp import web

STOPPING = web.AppKey("stopping", asyncio.Event)

DRIP_PAUSE = 0.1  # seconds between two bytes
MISSING_BYTES = 100  # that an answer which ends too early has announced beyond its end
FILLER = b"." * (1 << 16)


async def reset(request: web.Request, response: web.Response) -> web.StreamResponse:
    transport = request.transport
    if transport is not None:
        # Lingering for zero seconds makes closing a TCP reset rather than an orderly end.
        linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    return response


async def reset_half_way(request: web.Request, response: web.Response) -> web.StreamResponse:
    body = _body(response)
    begun = await _begin(request, response, len(body))
    await begun.write(body[: len(body) // 2])
    await reset(request, response)
    return begun


async def hang(request: web.Request, response: web.Response) -> web.StreamResponse:
    await request.app[STOPPING].wait()
    return await reset(request, response)


async def drip(request: web.Request, response: web.Response) -> web.StreamResponse:
    """One byte at a time, until the sandbox stops or the client leaves."""
    body = _body(response)
    begun = await _begin(request, response, len(body))
    stopping = request.app[STOPPING]
    with contextlib.suppress(ConnectionError):
        for place in range(len(body)):
            await begun.write(body[place : place + 1])
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(stopping.wait(), DRIP_PAUSE)
                break
        else:
            return begun
    await reset(request, response)
    return begun


async def endless(request: web.Request, response: web.Response) -> web.StreamResponse:
    """Headers, and then bytes that are no part of the answer, until the sandbox stops or the client leaves."""
    begun = await _begin(request, response, None)
    stopping = request.app[STOPPING]
    with contextlib.suppress(ConnectionError):
        while not stopping.is_set():
            await begun.write(FILLER)
            await asyncio.sleep(0)
    await reset(request, response)
    return begun


async def keep_alive(request: web.Request, response: web.Response) -> web.StreamResponse:
    """What servers send while they work, so that nobody on the way takes the connection for dead."""
    begun = await _begin(request, response, None)
    for sign in (b"\n", b" \n" * 200, b": still working\n\n"):
        await begun.write(sign)
    await begun.write(_body(response))
    await begun.write_eof()
    return begun


async def short(request: web.Request, response: web.Response) -> web.StreamResponse:
    """Everything, but more was announced."""
    body = _body(response)
    return await _break_off(request, response, body, len(body) + MISSING_BYTES)


async def cut_after_first_picture(request: web.Request, response: web.Response) -> web.StreamResponse:
    body = _body(response)
    start = body.index(b'"data": [') + len(b'"data": [')
    _, size = json.JSONDecoder().raw_decode(body[start:].decode())
    return await _break_off(request, response, body[: start + size], len(body))


async def _break_off(request: web.Request, response: web.Response, sent: bytes, announced: int) -> web.StreamResponse:
    """Send less than was announced. The connection is closed in order: a reset could overtake what was sent."""
    begun = await _begin(request, response, announced)
    await begun.write(sent)
    if request.transport is not None:
        request.transport.close()
    return begun


async def _begin(request: web.Request, response: web.Response, length: int | None) -> web.StreamResponse:
    headers = {name: value for name, value in response.headers.items() if name != "Content-Length"}
    begun = web.StreamResponse(status=response.status, headers=headers)
    begun.content_length = length
    await begun.prepare(request)
    return begun


def _body(response: web.Response) -> bytes:
    return response.body if isinstance(response.body, bytes) else b""
