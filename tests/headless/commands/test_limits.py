"""``lumenfall limits``: limits of one machine, and of all who share a journal."""

from __future__ import annotations

import pytest

from nodes.spend import Journal, Limits
from tests.headless.conftest import Command


def test_the_strictest_of_own_and_shared_limits_holds(
    command: Command, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMENFALL_LIMIT_DAY", "2")
    monkeypatch.setenv("LUMENFALL_LIMIT_RUN", "0.5")
    found = command("limits", "--day", "1", "--run", "3", "--json").json
    assert found["own"] == {"run": 0.5, "day": 2.0, "month": None}
    assert found["shared"] == {"run": 3.0, "day": 1.0, "month": None}
    assert found["limits"] == {"run": 0.5, "day": 1.0, "month": None}
    assert journal.limits(Limits(month=9)) == Limits(run=3, day=1, month=9)
    # What others set stays until it is lifted.
    assert command("limits").out.splitlines()[1].split() == [
        "day",
        "1.00",
        "USD",
        "(own",
        "2.00",
        "USD,",
        "shared",
        "1.00",
        "USD)",
    ]
    assert command("limits", "--day", "none", "--json").json["limits"]["day"] == 2.0
    assert command("spend", "--json").json["limits"] == {"run": 0.5, "day": 2.0, "month": None}


@pytest.mark.parametrize("amount", ["much", "-1", "nan", "1e9"])
def test_what_is_no_amount_is_refused(command: Command, amount: str) -> None:
    printed = command("limits", f"--month={amount}")
    assert printed.code == 2 and "takes US dollars" in printed.err
