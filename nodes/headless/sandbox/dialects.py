"""Answers as other servers give them: each a good one, in a shape of its own."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from .fault import Fault, Instead, SpoilText
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


def _refused(status: int, message: str, code: str | None, **more: Any) -> Instead:
    """OpenAI's envelope around what others say."""
    error = {"message": message, "type": None, "param": None, "code": code, **more}
    return lambda fault, request: web.json_response({"error": error}, status=status)


def _misses_image(fault: Fault, request: web.Request) -> web.Response:
    complaint = {"type": "missing", "loc": ["body", "image"], "msg": "Field required", "input": None}
    return web.json_response({"detail": [complaint]}, status=422)


_UNVERIFIED = "Your organization must be verified to use the model. If you just verified, it can take up to 15 minutes."
_REGION = "Country, region, or territory not supported"
_DENIED = "key not allowed to access model. This key can only access models=['other']."
_BUDGET = "Budget has been exceeded! Current cost: 1.1, Max budget: 1.0"
_FILTERED = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."

REFUSALS = (
    Fault("unverified", "403 of OpenAI to an organisation", instead=_refused(403, _UNVERIFIED, None)),
    Fault(
        "no-region",
        "403 of OpenAI to a country",
        instead=_refused(403, _REGION, "unsupported_country_region_territory"),
    ),
    Fault(
        "no-quota",
        "429 of OpenAI that no waiting helps",
        instead=_refused(429, "You exceeded your current quota.", "insufficient_quota"),
    ),
    Fault(
        "model-denied",
        "403 of LiteLLM to a key",
        instead=_refused(403, _DENIED, "403", type="key_model_access_denied"),
    ),
    Fault(
        "key-budget",
        "429 of LiteLLM, whose budget for the key is spent",
        instead=_refused(429, _BUDGET, "429", type="budget_exceeded"),
    ),
    Fault("wants-image", "422 of FastAPI that misses the field `image`", instead=_misses_image),
    Fault("azure-filter", "400 of Azure's content filter", instead=_refused(400, _FILTERED, "content_filter")),
)


def _usage(of: Callable[[float], dict[str, Any]]) -> SpoilText:
    """An answer that has ``usage`` in place of Lumenfall's ``metadata``."""

    def spoil(text: str) -> str:
        body = json.loads(text)
        return json.dumps({**body, "usage": of(body.pop("metadata")["cost"])} | {"metadata": None})

    return spoil


def _tokens(cost: float) -> dict[str, Any]:
    """As many as cost that at OpenAI's prices of 5, 8 and 30 US dollars a million."""
    made = round((cost * 1e6 - 20 * 5 - 100 * 8) / 30)
    rest = round((cost * 1e6 - 100 * 8 - made * 30) / 5)
    details = {"text_tokens": rest, "image_tokens": 100}
    total = made + rest + 100
    return {"input_tokens": rest + 100, "input_tokens_details": details, "output_tokens": made, "total_tokens": total}


def _cost_header(response: web.Response) -> web.Response:
    body = json.loads(response.text or "")
    response.headers["x-litellm-response-cost"] = str(body.pop("metadata")["cost"])
    response.text = json.dumps(body)
    return response


DIALECTS = (
    *REFUSALS,
    Fault("usage-cost", "the cost in `usage`, as OpenRouter has it", spoil_text=_usage(lambda cost: {"cost": cost})),
    Fault("cost-header", "the cost in a header, as LiteLLM has it", spoil_answer=_cost_header),
    Fault("tokens", "tokens and no cost, as OpenAI has it", spoil_text=_usage(_tokens)),
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
    Fault(
        "chat",
        "pictures in the message of a chat, as OpenRouter's chat models have them",
        spoil_text=_shaped(
            lambda data: {"choices": [{"message": {"images": [{"image_url": {"url": _address(it)}} for it in data]}}]}
        ),
    ),
    Fault(
        "responses",
        "items of `output`, as OpenAI's Responses have them",
        spoil_text=_shaped(
            lambda data: {"output": [{"type": "image_generation_call", "result": it["b64_json"]} for it in data]}
        ),
    ),
    Fault("picture-body", "the picture's file as the answer, in base64 mode only", spoil_answer=_file),
    Fault("event-stream", "OpenAI's stream of events", spoil_text=_stream),
    Fault("keep-alive", "blanks and comments before the answer", sending=keep_alive),
)
