"""What a row of the fault table is, and what happens to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from nodes import errors
from nodes.errors import Charged
from tests.faults.child import Outcome
from tests.faults.world import World, check_promises, painted

Act = Callable[[World, pytest.MonkeyPatch], None]
B64 = {
    "options": {
        **{"model": "", "parameters": {"response_format": "b64_json"}},
        **{"on_failure": "stop", "too_large": "refuse"},
    }
}


@dataclass(frozen=True)
class Expected:
    """How a run ends: with ``pictures``, which are right unless they are ``spoilt``, or with an error."""

    pictures: int = 0
    replayed: bool = False
    spoilt: bool = False
    error: type[BaseException] | None = None
    charged: Charged | None = None
    died: bool = False

    def check(self, outcome: Outcome, right: tuple[str, ...]) -> None:
        kind = self.error.__name__ if self.error else None
        assert (outcome.error, outcome.died) == (kind, self.died), outcome
        assert outcome.charged == (self.charged.value if self.charged else None), outcome
        assert len(outcome.pictures) == self.pictures, outcome
        if self.pictures:
            assert outcome.replayed is self.replayed
            rest = iter(right)
            assert self.spoilt or all(picture in rest for picture in outcome.pictures), (
                "another picture, or out of order"
            )


def bought(pictures: int = 1, *, spoilt: bool = False) -> Expected:
    return Expected(pictures, spoilt=spoilt)


def replayed(pictures: int = 1, *, spoilt: bool = False) -> Expected:
    return Expected(pictures, replayed=True, spoilt=spoilt)


def fails(error: type[BaseException], charged: Charged | None = Charged.NO) -> Expected:
    return Expected(error=error, charged=charged)


KILLED = Expected(died=True)
PAID_FOR = fails(errors.Unresolved, Charged.YES)


def both(*acts: Act) -> Act:
    """One after the other."""

    def act(world: World, patch: pytest.MonkeyPatch) -> None:
        for one in acts:
            one(world, patch)

    return act


def do(act: Callable[[World], object]) -> Act:
    return lambda world, patch: act(world) and None


def _nothing(world: World, patch: pytest.MonkeyPatch) -> None:
    pass


def told(*claims: str, never: str = "") -> Callable[[World], Outcome]:
    """A run whose message, or whose notes, say this, and never that."""

    def run(world: World) -> Outcome:
        outcome = world.run()
        text = " ".join((outcome.text, *outcome.notes))
        assert all(claim in text for claim in claims), outcome
        assert not never or never not in text
        return outcome

    return run


@dataclass(frozen=True)
class Row:
    """``provoke`` lasts for the first run; ``between`` happens after it, and lasts for the second, which is a new
    process with the same inputs. ``bills`` is how many the server has written by the end of each.
    """

    name: str
    first: Expected
    second: Expected
    bills: tuple[int, int]
    faults: tuple[str, ...] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    provoke: Act = _nothing
    between: Act = _nothing
    runs: Callable[[World], Outcome] = World.run
    """How the first run is run."""
    again: Callable[[World], Outcome] = World.run
    after: Act = _nothing
    """What else must hold in the end."""
    says: str = ""
    """What the message of the first run names."""
    ledger_late: bool = False
    """Whether only the second run can learn what the first one cost."""
    cost_late: bool = False
    """Whether the first run cannot tell either what its pictures cost."""
    overtaken: bool = False
    """Whether ``between`` makes untrue what the first run promised."""


def survive(row: Row, world: World) -> None:
    world.inputs.update(row.inputs)
    world.env.update(row.env)
    right = painted(world.folder.parent, world.inputs)
    world.sandbox.fail_next(*row.faults)
    with pytest.MonkeyPatch.context() as patch:
        row.provoke(world, patch)
        first = row.runs(world)
    row.first.check(first, right)
    assert row.says in first.text
    assert world.bills == row.bills[0]
    if row.cost_late:
        assert first.cost is None
    else:
        world.check_money(first, world.bills)
    if first.charged != Charged.UNKNOWN.value and not row.ledger_late and not row.cost_late:
        world.check_ledger()

    ordered = len(world.orders)
    with pytest.MonkeyPatch.context() as patch:
        row.between(world, patch)
        second = row.again(world)
        row.second.check(second, right)
        assert world.bills == row.bills[1]
        ordered = len(world.orders) - ordered
        new_bills = row.bills[1] - row.bills[0]
        assert ordered >= new_bills if row.second == bought(row.second.pictures) else ordered == 0
        world.check_money(second, new_bills)
        if not row.overtaken:
            check_promises(first, second, ordered, new_bills)

    assert not world.sandbox.faults, "a fault that did not strike proves nothing"
    row.after(world, patch)
    world.check_ledger()
    check_life_goes_on(world, second)


def check_life_goes_on(world: World, last: Outcome) -> None:
    """The same inputs give the same again, free of charge and asking nobody; another seed is bought normally."""
    before = world.bills
    if last.pictures:
        again = world.run()
        assert (again.pictures, again.replayed) == (last.pictures, True)
        assert world.bills == before
    else:
        assert len(world.run(seed=77).pictures) == world.inputs.get("n", 1)
        assert world.bills == before + 1
    world.check_ledger()
