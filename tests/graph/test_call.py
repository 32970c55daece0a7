"""How a node is called, and what its answers add up to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nodes.graph.call import call_each, collected, first_items, gives_lists


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
