"""What the tokens of an answer cost where nobody names their cost, as at OpenAI itself: by its price list, and so only
about.

Source: developers.openai.com/api/docs/pricing, as litellm 1.108.7 and Lumenfall's model pages quote it (November 2026).
Discounts for what was cached are not in it: it may be a little less.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PRICES = {
    "gpt-image-2.6": (5.0, 8.0, 30.0),
    "gpt-image-2.5": (5.0, 8.0, 30.0),
    "gpt-image-2": (5.0, 8.0, 30.0),
    "gpt-image-1.5": (5.0, 8.0, 32.0),
    "gpt-image-1": (5.0, 10.0, 40.0),
    "gpt-image-1-mini": (2.0, 2.5, 8.0),
    "chatgpt-image-latest": (5.0, 8.0, 32.0),
}
"""US dollars for a million tokens of text and of pictures that are sent, and of pictures that are made."""

MOST = 10**9
"""Tokens that one answer may name."""


@dataclass(frozen=True)
class Tokens:
    """How many an answer names."""

    text: int
    pictures: int
    """Of the pictures that were sent."""
    made: int

    def cost(self, model: str) -> float | None:
        """US dollars at OpenAI's list prices, None for a model of which they are not known."""
        name = model.rpartition("/")[2]
        known = [base for base in PRICES if name == base or name.startswith(f"{base}-")]
        if not known:
            return None
        text, pictures, made = PRICES[max(known, key=len)]
        return (self.text * text + self.pictures * pictures + self.made * made) / 1e6


def read_tokens(content: Mapping[str, Any]) -> Tokens | None:
    """What the ``usage`` of an answer names; None where it names no tokens that were made."""
    usage = content.get("usage")
    if not isinstance(usage, Mapping):
        return None
    sent, made = _count(usage.get("input_tokens")), _count(usage.get("output_tokens"))
    if not made:
        return None
    details = usage.get("input_tokens_details")
    text = _count(details.get("text_tokens")) if isinstance(details, Mapping) else 0
    # What is not told apart counts as the dearer.
    return Tokens(text, max(0, sent - text), made)


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST else 0
