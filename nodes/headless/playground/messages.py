"""What the server tells browsers over the websocket, in ComfyUI's shapes."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import struct
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aiohttp import ClientError, WSCloseCode, WSMsgType, web
from PIL import Image

PREVIEW, PREVIEW_WITH_METADATA = 1, 4
"""ComfyUI's binary events."""

JPEG = 1
PREVIEW_SIDE = 512

MAX_UPLOAD = 100 << 20
"""Bytes of a request, as ComfyUI's default."""

FEATURES: dict[str, Any] = {
    "supports_preview_metadata": True,
    "max_upload_size": MAX_UPLOAD,
    "node_replacements": True,
    "extension": {"manager": {"supports_v4": False}},
    "assets": False,
}

Greeting = Iterable[tuple[str, Mapping[str, Any]]]


class Messages:
    """The open websockets by client id. What is posted, from any thread, leaves in the order of posting."""

    def __init__(self) -> None:
        self._sockets: dict[str, web.WebSocketResponse] = {}
        self._features: dict[str, Mapping[str, Any]] = {}
        self._outgoing: asyncio.Queue[tuple[str | None, str | bytes]] = asyncio.Queue()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def publish(self) -> None:
        """Send what is posted, until cancelled."""
        self._loop = asyncio.get_running_loop()
        while True:
            client, content = await self._outgoing.get()
            sockets = list(self._sockets.items())
            for socket in [socket for name, socket in sockets if client is None or name == client]:
                with contextlib.suppress(ClientError, ConnectionError, RuntimeError):
                    await (socket.send_str(content) if isinstance(content, str) else socket.send_bytes(content))

    def post(self, event: str, data: Mapping[str, Any], client: str | None = None) -> None:
        """``client`` None tells everybody."""
        self._post(client, json.dumps({"type": event, "data": data}))

    def post_preview(self, metadata: Mapping[str, Any], picture: Image.Image, client: str) -> None:
        """A picture on the node that ``metadata`` tells of, scaled down to PREVIEW_SIDE pixels."""
        picture = picture.convert("RGB")
        picture.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=95)
        if self._features.get(client, {}).get("supports_preview_metadata"):
            text = json.dumps({**metadata, "image_type": "image/jpeg"}).encode()
            head = struct.pack(">II", PREVIEW_WITH_METADATA, len(text)) + text
        else:
            head = struct.pack(">II", PREVIEW, JPEG)
        self._post(client, head + file.getvalue())

    async def serve(self, request: web.Request, greet: Callable[[str], Greeting]) -> web.WebSocketResponse:
        """The life of one websocket. ``greet`` gives the first messages for a client id."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        client = request.query.get("clientId") or uuid.uuid4().hex
        self._sockets[client] = socket
        self._features.pop(client, None)
        for event, data in greet(client):
            self.post(event, data, client)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._heard(client, message.data)
        finally:
            # A page that was reloaded has come back under the same id by now.
            if self._sockets.get(client) is socket:
                del self._sockets[client]
        return socket

    async def close(self) -> None:
        for socket in list(self._sockets.values()):
            await socket.close(code=WSCloseCode.GOING_AWAY)

    def _heard(self, client: str, text: str) -> None:
        try:
            message = json.loads(text)
        except ValueError:
            return
        if isinstance(message, dict) and message.get("type") == "feature_flags":
            offered = message.get("data")
            self._features[client] = offered if isinstance(offered, dict) else {}
            self.post("feature_flags", FEATURES, client)

    def _post(self, client: str | None, content: str | bytes) -> None:
        if self._loop is not None:
            # The loop is closed when a node outlives the server.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._outgoing.put_nowait, (client, content))
