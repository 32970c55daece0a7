"""That a model has ended, or ends soon, and what its maker names in its place.

A model is never replaced by the pack, and one that has ended is sent all the same: the list may be wrong, and a refusal
costs nothing. So the user is told before anything is sent, and again where the server refuses.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

from .catalogue import Model, bundled, ended

SOON = timedelta(days=31)
"""How long before a model's end its users are told."""


def retirement_note(model: Model, today: date | None = None) -> str | None:
    """A sentence or two for users of ``model`` where it has ended or ends soon, else None; ``today`` is in UTC."""
    left = None if model.ends is None else model.ends - (today or datetime.now(timezone.utc).date())
    if left is None or left > SOON:
        return None
    told = f"{model.id} {'ends' if left >= timedelta(0) else 'ended'} on {model.ends}."
    if model.successors:
        told += f" Its successor is {' or '.join(model.successors)}."
    return told if model.listed else f"{told} It is not in the server's list."


def retirement_note_of_slug(slug: str) -> str | None:
    """The same for a slug that the server has refused, although its list tells of no end."""
    known = ended().find(slug) or bundled().find(slug)
    return None if known is None else retirement_note(known)
