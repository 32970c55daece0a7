"""What a node says about its call, for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..api import pictures_asked
from ..pixels import fit_to_first, match_channels, split_alpha
from ..purchase.delivery import Delivery
from ..purchase.plan import Outputs, Results, costs_of
from .shown import Shown, to_be_shown


def describe(model: str, results: Results, notes: Sequence[str], images: torch.Tensor) -> dict[str, Any]:
    """The report of a node: totals first, then each request.

    ``cost`` is the sum of what this run paid in ``currency``, None where the server named no cost, or where there are
    ``costs`` in several currencies; ``approximate`` is there where some of it was told from tokens and a price list;
    ``replayed`` tells whether all came from the store for nothing; ``seconds`` is the time of the slowest request;
    ``sizes`` are those that came, ``size`` that of the tensor handed on; ``originals`` are the files as they came,
    below the pack's private folder; ``missing`` is how many fewer pictures came than were asked for; ``failures`` are
    the requests that failed, where the user chose to keep going.
    """
    deliveries = results.deliveries
    costs = costs_of(deliveries)
    first = deliveries[0].call
    told = [*results.notes, *notes, *(note for delivery in deliveries for note in delivery.notes)]
    return {
        "model": model,
        "executed_model": first.executed_model,
        "provider": first.provider,
        "request_id": first.request_id,
        **cost_facts(costs),
        **({"approximate": True} if any(map(_is_about, deliveries)) else {}),
        "replayed": all(delivery.replayed for delivery in deliveries),
        "seconds": round(max(delivery.seconds for delivery in deliveries), 2),
        "count": images.shape[0],
        "size": f"{images.shape[2]}x{images.shape[1]}",
        "sizes": [size for delivery in deliveries for size in _sizes(delivery)],
        "revised_prompts": [
            prompt for delivery in deliveries for prompt in delivery.call.facts.get("revised_prompts", ())
        ],
        "notes": list(dict.fromkeys(told)),
        "requests": [
            {
                "index": delivery.index,
                "executed_model": delivery.call.executed_model,
                "provider": delivery.call.provider,
                "request_id": delivery.call.request_id,
                "cost": delivery.cost,
                **({"approximate": True} if _is_about(delivery) else {}),
                "replayed": delivery.replayed,
                "seconds": round(delivery.seconds, 2),
                "sizes": _sizes(delivery),
                "missing": max(0, pictures_asked(delivery.call.parameters) - len(delivery.pictures)),
                "originals": list(delivery.originals),
            }
            for delivery in deliveries
        ],
        "failures": results.failures,
    }


def _is_about(delivery: Delivery) -> bool:
    return delivery.call.is_approximate and not delivery.replayed


def cost_facts(costs: Mapping[str, float]) -> dict[str, Any]:
    """What a report says about what was paid; read by :func:`..purchase.plan.reported_costs`."""
    currency, cost = next(iter(costs.items())) if len(costs) == 1 else (None, None)
    return {"cost": cost, "currency": currency, **({"costs": dict(costs)} if len(costs) > 1 else {})}


def picture_outputs(
    images: torch.Tensor, mask: torch.Tensor, report: dict[str, Any], shown: Sequence[Shown]
) -> Outputs:
    """The outputs of a picture node, the report for the browser and the history, and what is to be shown."""
    text = json.dumps(report, indent=2, ensure_ascii=False)
    return to_be_shown({"ui": {"lumenfall": [report]}, "result": (images, mask, text)}, shown)


def _sizes(delivery: Delivery) -> list[str]:
    return [f"{picture.shape[2]}x{picture.shape[1]}" for picture in delivery.pictures]


def answers(deliveries: Sequence[Delivery]) -> tuple[dict[int, list[torch.Tensor]], list[str]]:
    """The pictures ``[H, W, C]`` that came for each request, by its number, and notes. Of an animated one it is the
    first frame: the others are no further takes.
    """
    moving = {picture.shape[0] for delivery in deliveries for picture in delivery.pictures if picture.shape[0] > 1}
    notes = [f"An answer is an animation of {frames} frames; the first was taken." for frames in sorted(moving)]
    return {delivery.index: [picture[0] for picture in delivery.pictures] for delivery in deliveries}, notes


def gather(deliveries: Sequence[Delivery], transparent: bool) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """All pictures as one batch of the first one's size, their MASK (1 - alpha), and notes on what was fitted.

    The batch has four channels where a transparent background was asked for, else three; colour is not
    multiplied by alpha in either.
    """
    pictures = [picture for delivery in deliveries for picture in delivery.pictures]
    # Alpha that nobody has would be a third more to carry around.
    channels = 4 if transparent or any(picture.shape[-1] == 4 for picture in pictures) else 3
    pictures = [match_channels(picture, channels) for picture in pictures]
    batch, notes = fit_to_first(pictures)
    colour, mask = split_alpha(batch)
    if transparent and not mask.any():
        notes.append("A transparent background was asked for, but the pictures came opaque.")
    return (batch if transparent else colour.contiguous()), mask.contiguous(), notes
