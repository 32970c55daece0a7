"""How a node is called, and what its answers add up to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nodes.graph.call import call, collected, merged


class Plain:
    FUNCTION = "run"
    OUTPUT_IS_LIST = (True, False)

    def run(self, count: int) -> Any:
        return list(range(count)), count


class Showing(Plain):
    async def run(self, count: int) -> Any:
        return {"ui": {"text": [str(count)]}, "result": (list(range(count)), count)}


@pytest.mark.parametrize("node_class", [Plain, Showing])
def test_a_node_may_be_a_coroutine_and_may_show_something(node_class: type[Any]) -> None:
    answers = [asyncio.run(call(node_class, {"count": count})) for count in (2, 0, 1)]
    assert tuple(answers[0]["result"]) == ([0, 1], 2)
    assert collected(node_class, answers) == [[0, 1, 0], [2, 0, 1]]


def test_a_node_that_only_shows_has_no_outputs() -> None:
    assert collected(Plain, [{"ui": {"images": []}}]) == []


def test_what_several_calls_show_is_put_end_to_end() -> None:
    assert merged([{"images": [1]}, {"images": [2], "text": ["a"]}]) == {"images": [1, 2], "text": ["a"]}
    assert merged([{"animated": (True,)}]) == {"animated": (True,)}
