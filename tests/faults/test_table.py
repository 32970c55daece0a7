"""The fault table: whatever goes wrong, it is billed at most once, no paid picture is gone, and no message lies."""

from __future__ import annotations

import pytest

from nodes.headless.sandbox import FAULTS
from tests.faults import (
    answers,
    bombs,
    databases,
    dialects,
    disk,
    doubts,
    downloads,
    giving_up,
    killing,
    lagging,
    limits,
    links,
    money,
    names,
    put_off,
    reported,
    stores,
    surprises,
    verdicts,
)
from tests.faults.table import Row, survive
from tests.faults.world import World

ROWS = [*answers.ROWS, *downloads.ROWS, *disk.ROWS, *killing.ROWS, *databases.ROWS]
ROWS += [*stores.ROWS, *limits.ROWS, *links.ROWS, *money.ROWS, *names.ROWS, *reported.ROWS]
ROWS += [*giving_up.ROWS, *surprises.ROWS, *verdicts.ROWS, *lagging.ROWS, *put_off.ROWS, *bombs.ROWS, *doubts.ROWS]
ROWS += dialects.ROWS


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS])
def test_a_fault_is_survived(row: Row, world: World) -> None:
    survive(row, world)


def test_each_row_has_a_name_of_its_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) >= 60


def test_each_fault_of_the_sandbox_is_in_the_table() -> None:
    assert {fault.partition(":")[0] for row in ROWS for fault in row.faults} == set(FAULTS)
