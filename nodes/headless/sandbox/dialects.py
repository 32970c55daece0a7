"""Answers as other servers give them: each a good one, in a shape of its own."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from .fault import Fault, SpoilText
from .sending import keep_alive


def _shaped(change: Callable[[list[dict[str, Any]]], Any]) -> SpoilText:
    """An answer that is only what ``change`` makes of the entries, and names no cost."""
    return lambda text: json.dumps(change(json.loads(text)["data"]))


def _address(entry: dict[str, Any]) -> str:
    return str(entry["url"]) if "url" in entry else f"data:image/png;base64,{entry['b64_json']}"


def _renamed(entry: dict[str, Any], inside: str, link: str) -> dict[str, Any]:
    return {inside if name == "b64_json" else link if name == "url" else name: text for name, text in entry.items()}


def _file(response: web.Response) -> web.Response:
    """The first picture's file as the body, as it is when base64 was asked for."""
    (first, *_) = json.loads(response.text or "")["data"]
    headers = {name: value for name, value in response.headers.items() if name.startswith("X-")}
    return web.Response(body=base64.b64decode(first["b64_json"]), headers=headers, content_type="image/png")


def _stream(text: str) -> str:
    """OpenAI's stream of events, with one preview for each picture and a sign of life between them."""
    events = []
    for entry in json.loads(text)["data"]:
        preview = {"type": "image_generation.partial_image", "partial_image_index": 0, "b64_json": "iVBORw0KGgo="}
        completed = {"type": "image_generation.completed", **entry}
        events += [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in (preview, completed)]
    return ": keep-alive\n\n".join([*events, "data: [DONE]\n\n"])


DIALECTS = (
    Fault("images-list", "pictures in `images`", spoil_text=_shaped(lambda data: {"images": data})),
    Fault("bare-list", "a list and nothing around it", spoil_text=_shaped(lambda data: data)),
    Fault(
        "strings",
        "addresses or base64 without names",
        spoil_text=_shaped(lambda data: {"data": [entry.get("url") or entry["b64_json"] for entry in data]}),
    ),
    Fault(
        "data-uris",
        "data URIs in `images`",
        spoil_text=_shaped(lambda data: {"images": [_address(entry) for entry in data]}),
    ),
    Fault(
        "image-url",
        "`image_url` and `b64` for url and b64_json",
        spoil_text=_shaped(lambda data: {"data": [_renamed(entry, "b64", "image_url") for entry in data]}),
    ),
    Fault(
        "image-url-object",
        "`image_url` with an object around the address",
        spoil_text=_shaped(
            lambda data: {"data": [{"type": "image_url", "image_url": {"url": _address(entry)}} for entry in data]}
        ),
    ),
    Fault("picture-body", "the picture's file as the answer, in base64 mode only", spoil_answer=_file),
    Fault("event-stream", "OpenAI's stream of events", spoil_text=_stream),
    Fault("keep-alive", "blanks and comments before the answer", sending=keep_alive),
)
