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
from nodes.pixels.encoding import png
from nodes.spend import Journal, entries
from tests.contract.test_nodes import options
from tests.live.asking import Live, shape, told

DRAFT = "flux.2-klein-4b"
"""Cheap, and it edits."""

MASKED = {DRAFT: {}, "gpt-image-2": {"quality": "low"}}
VECTOR = "recraft-v4-svg"


def scene(side: int) -> torch.Tensor:
    """A picture ``[side, side, 3]`` in which a change is seen everywhere."""
    across, down = torch.linspace(0, 1, side)[None, :], torch.linspace(0, 1, side)[:, None]
    return torch.stack([across.expand(side, side), down.expand(side, side), (across + down) / 2], dim=-1)


def changes(picture: torch.Tensor, side: int) -> str:
    """The mean differences of a picture ``[1, H, W, C]`` from the scene, in its halves, of 255."""
    shown = torch.nn.functional.interpolate(picture[:1, ..., :3].movedim(-1, 1), size=(side, side))[0].movedim(0, -1)
    left, right = ((shown - scene(side)).abs() * 255).split(side // 2, dim=1)
    return f"{left.mean():.0f} left, {right.mean():.0f} right"


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
    request = ImageRequest("generations", DRAFT, "a red cube", parameters={"size": f"{live.side}x{live.side}"})
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
    side = live.side
    both = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    both.paste((255, 255, 255, 255), (side // 2, 0, side, side))
    ours = torch.zeros(side, side)
    ours[:, : side // 2] = 1.0
    lines = []
    for model, more in MASKED.items():
        for name, mask in (("transparent left, white right", png(both)), ("as the pack writes it", encode_mask(ours))):
            parameters = {"size": f"{side}x{side}", **more}
            request = ImageRequest("edits", model, "Make it plain green.", (encode(scene(side)),), mask, parameters)
            try:
                (picture,) = live.order(request).pictures
                lines.append(f"{model}, {name}: changed by {changes(picture, side)}")
            except LumenfallError as error:
                lines.append(f"{model}, {name}: {told(error)}")
    return lines


def variations(live: Live) -> list[str]:
    """Whether there is a variations endpoint."""
    request = ImageRequest("variations", DRAFT, None, (encode(scene(512)),), parameters={"size": "512x512"})
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
        size=f"{live.side}x{live.side}",
    )
    left, right = made.images.split(live.side // 2, dim=2)[:2]
    return [f"brightness {left.mean():.2f} left, {right.mean():.2f} right: 0 and 1 where both arrived"]


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
