"""From an order to finished files, and to the answer that announces them."""

from __future__ import annotations

import base64
import time
from typing import Any

from . import painting
from .files import MIME_TYPES, encode
from .media import Shelf
from .models import PROVIDERS
from .validation import Order


def paint(order: Order) -> list[bytes]:
    """The ``n`` files of an order. Slow enough to belong in a worker thread."""
    return [_paint_one(order, index) for index in range(order.n)]


def _paint_one(order: Order, index: int) -> bytes:
    key = (order.prompt, order.seed, index, order.model.id)
    if order.mode == "generate":
        picture = painting.generate(key, order.size, order.transparent)
    elif order.mode == "upscale":
        picture = painting.enlarge(order.pictures[0], order.size)
    else:
        picture = painting.repaint(key, order.pictures, order.region, order.size, order.transparent)
    return encode(picture, order.output_format, order.compression, order.frames)


def answer(order: Order, files: list[bytes], request_id: str, shelf: Shelf, media_root: str) -> dict[str, Any]:
    """The body of a success; puts the files on the shelf when links were asked for."""
    data: list[dict[str, Any]] = []
    for index, file in enumerate(files):
        if order.response_format == "b64_json":
            item = {"b64_json": base64.b64encode(file).decode()}
        else:
            name = f"{request_id}-{index}.{order.output_format}"
            shelf.put(name, file, MIME_TYPES[order.output_format])
            item = {"url": f"{media_root}/{name}"}
        if order.mode == "generate":
            item["revised_prompt"] = f"{order.prompt}, as dunes under a soft sun"
        data.append(item)
    width, height = order.size
    return {
        "id": request_id,
        "created": int(time.time()),
        "size": f"{width}x{height}",
        "output_format": order.output_format,
        "data": data,
        "metadata": {
            "model": order.requested,
            "executed_model": f"{order.provider}/{order.model.id}",
            "provider": order.provider,
            "provider_name": PROVIDERS[order.provider],
            "cost": float(order.cost),
            "cost_currency": "USD",
        },
    }
