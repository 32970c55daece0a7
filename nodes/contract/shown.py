"""What a node shows of its result in the browser: each picture, what it was made of, and what of it the mask covers."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..host import Host, current
from ..host.files import create
from ..pixels import encode, stencil, thumbnail
from ..purchase import background
from ..purchase.delivery import NO_PICTURE, Delivery
from ..purchase.plan import Outputs

log = logging.getLogger(__name__)

MOST = 32
"""Pictures of a run. More are no longer looked at one by one."""

MOST_BYTES = 512 << 20
"""What the files of all runs take at most; the oldest go first."""

_SHOWN = "shown"


@dataclass(frozen=True)
class Shown:
    """One picture of a result, ``[H, W, C]``, and where it is a file of the store as it is: the call and the number.
    ``before`` gives what it was made of, and ``mask`` what of that was to change, ``[H, W]``; None where there is none.
    """

    picture: torch.Tensor
    stored: dict[str, Any] | None = None
    before: Callable[[], torch.Tensor] | None = None
    mask: torch.Tensor | None = None
    name: str | None = None
    """Whose it is, where a run shows those of several models."""


def as_they_came(
    deliveries: Sequence[Delivery],
    before: Callable[[int], torch.Tensor] | None = None,
    mask: Callable[[int], torch.Tensor] | None = None,
) -> list[Shown]:
    """The pictures of ``deliveries``; ``before`` and ``mask`` give those of a request, by its number."""
    shown = []
    for delivery in deliveries:
        of = delivery.index
        for picture, stored in zip(delivery.pictures, _files(delivery), strict=True):
            made_of = None if before is None else _later(before, of)
            shown.append(Shown(picture[0], stored, made_of, None if mask is None else mask(of)))
    return shown


def _files(delivery: Delivery) -> list[dict[str, Any] | None]:
    """Where each picture lies. A drawing could act in a browser, and where a picture cannot be read nobody knows which
    file is whose.
    """
    stored = delivery.call.pictures
    if len(stored) != len(delivery.pictures) or any(each.extension in (NO_PICTURE, ".svg") for each in stored):
        return [None] * len(delivery.pictures)
    call = delivery.call.id
    return [{"call": call, "number": each.number, "extension": each.extension} for each in stored]


def made_here(
    pictures: torch.Tensor,
    changed: torch.Tensor,
    facts: Sequence[dict[str, Any]],
    before: Callable[[int], torch.Tensor],
) -> list[Shown]:
    """``pictures`` ``[B, H, W, C]`` into which answers were laid where ``changed`` ``[B, H, W]`` says so; ``facts`` are
    those of :func:`..pixels.parts.assemble`, and ``before`` gives an original by its number.
    """
    return [
        Shown(picture, None, _later(before, fact["picture"]), mask)
        for picture, mask, fact in zip(pictures, changed, facts, strict=True)
    ]


def _later(give: Callable[[int], torch.Tensor], number: int) -> Callable[[], torch.Tensor]:
    return lambda: give(number)


def shown_in(outputs: Outputs) -> list[Shown]:
    """What a plan wants to be shown."""
    shown: list[Shown] = outputs.get(_SHOWN, [])
    return shown


def to_be_shown(outputs: Outputs, shown: Sequence[Shown]) -> Outputs:
    """``outputs`` of a plan, with what is to be shown of them once they are the node's."""
    return {**outputs, _SHOWN: list(shown)}


async def show(outputs: Outputs) -> Outputs:
    """``outputs`` as ComfyUI takes them: what is to be shown lies in files, and the report for the browser names them
    under ``shown``. Never raises for that: what is shown must not cost what was paid.
    """
    rest = {name: value for name, value in outputs.items() if name != _SHOWN}
    shown = shown_in(outputs)[:MOST]
    folder = _folder(current())
    if not shown or folder is None:
        return rest
    try:
        written = await background.in_thread(_write_all, folder, shown)
    except Exception:
        log.debug("The result could not be shown", exc_info=True)
        return rest
    (report,) = rest["ui"]["lumenfall"]
    return {**rest, "ui": {**rest["ui"], "lumenfall": [{**report, _SHOWN: written}]}}


def _folder(host: Host) -> Path | None:
    try:
        return host.shown_dir()
    except Exception:
        log.debug("There is no folder for what is shown", exc_info=True)
        return None


def _write_all(folder: Path, shown: Sequence[Shown]) -> list[dict[str, Any]]:
    folder.mkdir(parents=True, exist_ok=True)
    written = [_write(folder, each) for each in shown]
    _make_room(folder)
    return written


def _write(folder: Path, shown: Shown) -> dict[str, Any]:
    height, width = shown.picture.shape[:2]
    told: dict[str, Any] = {"width": width, "height": height}
    if shown.name:
        told["name"] = shown.name
    told |= shown.stored or {"file": _keep(folder, encode(shown.picture), ".png")}
    if shown.before is not None:
        told["before"] = _keep(folder, thumbnail(shown.before()), ".webp")
    if shown.mask is not None:
        told["mask"] = _keep(folder, stencil(shown.mask), ".png")
        covered = (shown.mask > 0).float()
        told["share"] = round(float(covered.mean()), 4)
        columns = covered.sum(dim=0)
        places = torch.arange(width, dtype=torch.float32) + 0.5
        told["middle"] = round(float((columns * places).sum() / columns.sum().clamp(min=1.0) / width), 3)
    return told


def _keep(folder: Path, content: bytes, extension: str) -> str:
    path = folder / f"{hashlib.sha256(content).hexdigest()[:32]}{extension}"
    if path.is_file():
        path.touch()  # it is of use again
    else:
        create(path, content)
    return path.name


def _make_room(folder: Path) -> None:
    files = []
    for path in folder.iterdir():
        # Another node may be at it too.
        with contextlib.suppress(OSError):
            files.append((path.stat().st_mtime, path.stat().st_size, path))
    excess = sum(size for _, size, _ in files) - MOST_BYTES
    for _, size, path in sorted(files):
        if excess <= 0:
            return
        with contextlib.suppress(OSError):
            path.unlink()
        excess -= size
