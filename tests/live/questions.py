"""What no document settles. Each question gives the lines that say what was seen, and costs little or nothing."""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import torch
from PIL import Image

from nodes.api import ImageRequest, write_request
from nodes.errors import LumenfallError
from nodes.pixels import encode, encode_mask, sniff
from nodes.pixels.codec import png
from nodes.spend import Journal, entries
from tests.contract.test_nodes import options
from tests.live.asking import Live, shape, told

DRAFT = "flux.2-klein-4b"
"""Cheap, and it edits."""

MASKED = {DRAFT: {}, "gpt-image-2": {"quality": "low"}}
VECTOR = "recraft-v4-svg"
SIDE = 1024


def scene() -> torch.Tensor:
    """A picture ``[SIDE, SIDE, 3]`` in which a change is seen everywhere."""
    across, down = torch.linspace(0, 1, SIDE)[None, :], torch.linspace(0, 1, SIDE)[:, None]
    return torch.stack([across.expand(SIDE, SIDE), down.expand(SIDE, SIDE), (across + down) / 2], dim=-1)


def change(delivery_picture: torch.Tensor, region: tuple[slice, slice]) -> float:
    """Mean difference from the scene within a region, of 255."""
    shown = torch.nn.functional.interpolate(delivery_picture[:1, ..., :3].movedim(-1, 1), size=(SIDE, SIDE))
    return float((shown[0].movedim(0, -1)[region] - scene()[region]).abs().mean() * 255)


LEFT, RIGHT = (slice(None), slice(0, SIDE // 2)), (slice(None), slice(SIDE // 2, SIDE))


def models(live: Live) -> list[str]:
    """What the list holds, and which models of ours are in it."""
    body = live.free(lambda client: client.get("models"))
    names = [entry["id"] for entry in body["data"]]
    newer = [name for name in names if "2.5" in name or "2.6" in name or "svg" in name]
    return [f"{len(names)} models", f"an entry: `{shape(body['data'][0])}`", f"markup or vectors, perhaps: {newer}"]


def schema(live: Live) -> list[str]:
    """What `?schema=true` holds."""
    lines = []
    for model in (DRAFT, "gpt-image-2", "topaz-image-upscale"):
        try:
            body = live.free(lambda client, model=model: client.get(f"models/{model}", schema="true"))
            lines.append(f"{model}: `{shape(body)}`")
        except LumenfallError as error:
            lines.append(f"{model}: {told(error)}")
    return lines


def dry_run(live: Live) -> list[str]:
    """Whether a dry run says what is charged, and makes nothing."""
    request = ImageRequest("generations", DRAFT, "a red cube", parameters={"size": "1024x1024"})
    try:
        found = live.free(lambda client: client.dry_run(write_request(request, client.server.flavour)))
    except LumenfallError as error:
        return [told(error)]
    paid = live.order(request)
    return [f"told {found.cost} {found.currency} by {found.provider}; charged {paid.cost} by {paid.call.provider}"]


def sizes(live: Live) -> list[str]:
    """The sizes that come back."""
    lines = []
    for asked in ("auto", "512x512", "1000x600", "16:9"):
        made = live.nodes("LumenfallGenerate", prompt="a red cube", model=DRAFT, size=asked)
        lines.append(f"{DRAFT}, {asked}: {made.report['sizes'][0]}, {made.report['cost']} USD")
    return lines


def formats(live: Live) -> list[str]:
    """Whether the formats that are asked for come."""
    lines = []
    for asked in ("webp", "gif"):
        request = ImageRequest("generations", DRAFT, "a cube", parameters={"size": "512x512", "output_format": asked})
        kind = sniff(live.original(live.order(request)))
        lines.append(f"{asked}: {kind.value if kind else None} came")
    return lines


def link(live: Live) -> list[str]:
    """How long a link lives: what it says itself, and what became of those of earlier runs."""
    delivery = live.order(ImageRequest("generations", DRAFT, "a blue ball", parameters={"size": "512x512"}))
    kept = live.links
    links = json.loads(kept.read_text()) if kept.exists() else []
    links += [{"url": url, "at": time.time()} for url in delivery.call.facts.get("links", ())]
    kept.write_text(json.dumps(links))
    lines = []
    for entry in links:
        reply = httpx.get(entry["url"], trust_env=False)
        headers = {name: reply.headers[name] for name in ("cache-control", "expires", "etag") if name in reply.headers}
        age = (time.time() - entry["at"]) / 60
        lines.append(f"{urlsplit(entry['url']).hostname}, {age:.0f} minutes old: {reply.status_code} {headers}")
    return lines or ["no link came"]


def masks(live: Live) -> list[str]:
    """Where a mask means a change: its left half is transparent black, its right half opaque white."""
    both = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
    both.paste((255, 255, 255, 255), (SIDE // 2, 0, SIDE, SIDE))
    ours = torch.zeros(SIDE, SIDE)
    ours[LEFT] = 1.0
    lines = []
    for model, more in MASKED.items():
        for name, mask in (("transparent left, white right", png(both)), ("as the pack writes it", encode_mask(ours))):
            parameters = {"size": f"{SIDE}x{SIDE}", **more}
            request = ImageRequest("edits", model, "Fill it with plain green.", (encode(scene()),), mask, parameters)
            try:
                (picture,) = live.order(request).pictures
                lines.append(f"{model}, {name}: {change(picture, LEFT):.0f} left, {change(picture, RIGHT):.0f} right")
            except LumenfallError as error:
                lines.append(f"{model}, {name}: {told(error)}")
    return lines


def variations(live: Live) -> list[str]:
    """Whether there is a variations endpoint."""
    request = ImageRequest("variations", DRAFT, None, (encode(scene()[:512, :512]),), parameters={"size": "512x512"})
    try:
        return [f"{live.order(request).call.executed_model} made one"]
    except LumenfallError as error:
        return [told(error)]


def several(live: Live) -> list[str]:
    """Whether several pictures arrive."""
    made = live.nodes(
        "LumenfallEdit",
        image=torch.zeros(1, 512, 512, 3),
        image_2=torch.ones(1, 512, 512, 3),
        prompt="Put both side by side: the first left, the second right.",
        model=DRAFT,
        size="1024x1024",
    )
    halves = made.images[..., : SIDE // 2, :].mean(), made.images[..., SIDE // 2 :, :].mean()
    return [f"brightness {halves[0]:.2f} left, {halves[1]:.2f} right: 0 and 1 where both arrived"]


def log(live: Live) -> list[str]:
    """Whether the request log says what the answers said."""
    (newest, *_) = sorted(entries(Journal(live.folder / "data")), key=lambda call: -call.sent_at)
    found = live.free(lambda client: client.look_up(newest.request_id, newest.id, newest.sent_at))
    return [f"answered {newest.cost_in_units} {newest.currency}; the log says {found}"]


def vectors(live: Live) -> list[str]:
    """What a vector model brings where PNG is asked for. The dearest question, so the last."""
    made = live.nodes("LumenfallGenerate", prompt="a fox, flat logo", model=VECTOR, options=options())
    file = Path(live.folder / "data" / made.report["requests"][0]["originals"][0])
    kind = sniff(file.read_bytes())
    return [f"{VECTOR}: {kind.value if kind else None} of {made.report['sizes'][0]} for {made.report['cost']} USD"]


QUESTIONS = (models, schema, dry_run, sizes, formats, link, masks, variations, several, log, vectors)
