"""How a node is called, and what its answers add up to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nodes.graph.call import call, call_each, collected, first_items, gives_lists, merged


class Pair:
    FUNCTION = "pair"
    OUTPUT_IS_LIST = (False, True)

    def pair(self, left: Any, right: Any) -> tuple[Any, list[Any]]:
        return left, [left, right]


class Whole(Pair):
    INPUT_IS_LIST = True


@pytest.mark.parametrize(("node", "turns"), [(Pair, [(1, 7), (2, 8), (3, 8)]), (Whole, [([1, 2, 3], [7, 8])])])
def test_a_node_runs_for_each_item_of_the_longest_list_or_once_with_whole_lists(node: type, turns: list[Any]) -> None:
    answers = asyncio.run(call_each(node, {"left": [1, 2, 3], "right": [7, 8]}))
    assert [answer["result"] for answer in answers] == [(left, [left, right]) for left, right in turns]
    slots = collected(node, answers)
    assert slots == [[left for left, _ in turns], [item for turn in turns for item in turn]]


def test_of_an_output_that_is_a_list_what_follows_is_priced_with_the_first_item() -> None:
    (answer,) = asyncio.run(call_each(Pair, {"left": [1], "right": [2]}))
    assert first_items(Pair, answer) == (1, 1) and gives_lists(Pair)


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
