"""How much of finished pictures is held at once."""

from __future__ import annotations

import asyncio

import pytest

from nodes.api import Share, memory


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST_HELD", 100)
    monkeypatch.setattr(memory, "_POLL", 0.001)


async def hold(size: int, seen: list[int]) -> None:
    with Share() as share:
        await share.take(size)
        seen.append(memory._held)
        await asyncio.sleep(0)
        share.keep(size // 2)
        await asyncio.sleep(0)


async def together(*sizes: int) -> list[int]:
    """What was held whenever one more had its share."""
    seen: list[int] = []
    await asyncio.gather(*(hold(size, seen) for size in sizes))
    return seen


def test_what_is_too_much_waits_for_the_others() -> None:
    seen = asyncio.run(together(*[40] * 10))
    assert len(seen) == 10 and max(seen) <= 100
    assert memory._held == 0


def test_what_alone_is_too_much_comes_when_nothing_else_is_held() -> None:
    assert sorted(asyncio.run(together(500, 60, 500))) == [60, 500, 500]
    assert memory._held == 0


def test_what_fails_or_is_given_up_holds_nothing() -> None:
    async def fail() -> None:
        with Share() as share:
            await share.take(90)
            raise KeyError

    async def wait_in_vain() -> None:
        with Share() as share, Share() as other:
            await share.take(90)
            await asyncio.wait_for(other.take(90), 0.01)

    for work, error in ((fail, KeyError), (wait_in_vain, asyncio.TimeoutError)):
        with pytest.raises(error):
            asyncio.run(work())
        assert memory._held == 0
