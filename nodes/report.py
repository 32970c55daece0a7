"""What a node says about its call, for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import torch

from .receive import Delivery, total_cost
from .run import Results


def describe(model: str, results: Results, notes: Sequence[str], images: torch.Tensor) -> dict[str, Any]:
    """The report of a node: totals first, then each request.

    ``cost`` is the sum of what this run paid in ``currency``, None where the server named no cost; ``replayed``
    tells whether all came from the store for nothing; ``seconds`` is the time of the slowest request; ``sizes`` are
    those that came, ``size`` that of the tensor handed on; ``originals`` are the files as they came, below the pack's
    private folder; ``failures`` are the requests that failed, where the user chose to keep going.
    """
    deliveries = results.deliveries
    cost, currency = total_cost(deliveries)
    first = deliveries[0].call
    told = [*results.notes, *notes, *(note for delivery in deliveries for note in delivery.notes)]
    return {
        "model": model,
        "executed_model": first.executed_model,
        "provider": first.provider,
        "request_id": first.request_id,
        "cost": cost,
        "currency": currency,
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
                "replayed": delivery.replayed,
                "seconds": round(delivery.seconds, 2),
                "sizes": _sizes(delivery),
                "originals": list(delivery.originals),
            }
            for delivery in deliveries
        ],
        "failures": list(results.failures),
    }


def finish(images: torch.Tensor, mask: torch.Tensor, report: dict[str, Any]) -> dict[str, Any]:
    """A node's return value: the outputs, and the report for the browser and the history."""
    text = json.dumps(report, indent=2, ensure_ascii=False)
    return {"ui": {"lumenfall": [report]}, "result": (images, mask, text)}


def _sizes(delivery: Delivery) -> list[str]:
    return [f"{picture.shape[2]}x{picture.shape[1]}" for picture in delivery.pictures]
