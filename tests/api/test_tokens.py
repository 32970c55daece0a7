"""Costs that are told from tokens."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nodes.api import read_answer
from nodes.api.tokens import Tokens, read_tokens

# Of an answer in OpenAI's documentation of /images/edits.
USAGE = {
    "input_tokens": 373,
    "input_tokens_details": {"text_tokens": 50, "image_tokens": 323},
    "output_tokens": 1056,
    "total_tokens": 1429,
}


def test_text_and_pictures_have_prices_of_their_own() -> None:
    tokens = read_tokens({"usage": USAGE})
    assert tokens == Tokens(text=50, pictures=323, made=1056)
    assert tokens.cost("gpt-image-2.6-sunburst") == pytest.approx(0.034514)


@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        ("gpt-image-1", 40.0),
        ("gpt-image-1-mini", 8.0),
        ("gpt-image-1.5-2025-12-16", 32.0),
        ("openai/gpt-image-2", 30.0),
        ("gpt-image-20", None),
        ("flux.2-pro", None),
    ],
)
def test_a_model_is_told_by_its_whole_name(model: str, dollars: float | None) -> None:
    assert Tokens(0, 0, 10**6).cost(model) == dollars


@pytest.mark.parametrize("made", [None, "5", -5, True, 10**12])
def test_odd_usage_names_no_tokens(made: Any) -> None:
    for usage in (made, {}, {"output_tokens": made}):
        assert read_tokens({"usage": usage}) is None


def test_what_is_not_told_apart_counts_as_the_dearer() -> None:
    assert read_tokens({"usage": {"input_tokens": 7, "output_tokens": 1}}) == Tokens(0, 7, 1)


@pytest.mark.parametrize(
    ("content", "headers", "cost"),
    [
        ({"usage": {"cost": 0.04, "prompt_tokens": 5}}, {}, 0.04),
        ({"usage": {"total_cost": "0.04"}}, {}, 0.04),
        ({"inference_status": {"cost": 0.04}}, {}, 0.04),
        ({"cost": 0.04}, {}, 0.04),
        ({}, {"x-litellm-response-cost": "0.04"}, 0.04),
        ({"usage": USAGE}, {"x-litellm-response-cost": "0.0"}, None),
        ({"metadata": {"cost": 0.05}, "usage": {"cost": 0.04}}, {"x-litellm-response-cost": "0.03"}, 0.05),
        ({"usage": {"cost": "n/a"}, "cost": -1}, {"x-litellm-response-cost": "None"}, None),
    ],
)
def test_a_cost_is_read_wherever_a_gateway_names_it(
    content: dict[str, Any], headers: dict[str, str], cost: float | None
) -> None:
    answer = read_answer(200, headers, json.dumps({"data": [{"url": "https://media/1"}], **content}).encode())
    assert answer.cost == cost and answer.currency == (cost and "USD")


@pytest.mark.parametrize(
    ("content", "cost", "currency"),
    [
        ({"usage": {"cost": 0.5, "currency": "EUR"}}, 0.5, "EUR"),
        ({"usage": {"cost": 600, "cost_currency": "jpy"}}, 600.0, "JPY"),
        ({"cost": 0.5, "currency": "EUR"}, 0.5, "EUR"),
        ({"usage": {"cost": 0.5}, "currency": "EUR"}, 0.5, "EUR"),
        ({"metadata": {"cost": 0.5, "currency": "EUR"}}, 0.5, "EUR"),
        ({"usage": {"cost": 0.5, "currency": "$"}}, 0.5, "USD"),
    ],
)
def test_a_gateways_cost_is_in_the_currency_that_it_names(content: Any, cost: float, currency: str) -> None:
    answer = read_answer(200, {}, json.dumps({"data": [{"url": "https://m/1"}], **content}).encode())
    assert (answer.cost, answer.currency) == (cost, currency)
