"""A journal in a folder of its own, as a fresh process would open it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nodes.spend import Journal, database


def forget_databases() -> None:
    """As if the process had ended: the next journal opens its database anew."""
    for opened in list(database._opened.values()):
        opened.engine.dispose()
    database._opened.clear()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    yield Journal(tmp_path / "data")
    forget_databases()


@pytest.fixture
def reopened(journal: Journal) -> Callable[[], Journal]:
    def reopen() -> Journal:
        forget_databases()
        return Journal(journal.folder)

    return reopen
