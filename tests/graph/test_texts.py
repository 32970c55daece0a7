"""What the browser puts into texts when it sends a graph."""

from __future__ import annotations

from datetime import datetime

import pytest

from nodes.graph.texts import by_seed, chosen, dated, filled_in, offers_choice

NOW = datetime(2026, 3, 9, 4, 5, 6)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("yyyy-MM-dd", "2026-03-09"),
        ("yy/M/d", "26/3/9"),
        ("hh:mm:ss", "04:05:06"),
        ("h.m.s", "4.5.6"),
        ("yyy", "yyy"),
        ("ddd", "099"),
        ("on", "on"),
    ],
)
def test_a_date_is_written_as_the_pattern_says(pattern: str, text: str) -> None:
    assert dated(pattern, NOW) == text


@pytest.mark.parametrize(
    ("prefix", "text"),
    [
        ("%date:yyyy-MM-dd%/a", "2026-03-09/a"),
        ("%Sampler.seed%_%Sampler.seed%", "7_7"),
        ("%Text.words%", "a_b_c_ d_"),
        ("%width%x%height%_%batch_num%", "%width%x%height%_%batch_num%"),
        ("%Nobody.seed%", "%Nobody.seed%"),
        # More than one dot, as the frontend is seen to do it.
        ("%date:yyyy.MM.dd%", "2026"),
        ("%date:yyyy.MM%", "%date:yyyy.MM%"),
        ("100%", "100%"),
    ],
)
def test_a_prefix_is_filled_in(prefix: str, text: str) -> None:
    held = {("Sampler", "seed"): "7", ("Text", "words"): 'a/b:c" d?'}
    assert filled_in(prefix, NOW, lambda node, widget: held.get((node, widget))) == text


@pytest.mark.parametrize(
    ("prompt", "first", "last"),
    [
        ("a {red|blue} fox", "a red fox", "a blue fox"),
        ("{a|{b|c}}", "a", "c"),
        ("{|x}y", "y", "xy"),
        (r"\{kept\|so\}", "{kept|so}", "{kept|so}"),
        ("{open|end", "open", "end"),
        ("one // rest\ntwo /* and\nmore */!", "one \ntwo !", "one \ntwo !"),
    ],
)
def test_one_of_the_choices_is_taken(prompt: str, first: str, last: str) -> None:
    assert (chosen(prompt, lambda choices: choices[0]), chosen(prompt, lambda choices: choices[-1])) == (first, last)


@pytest.mark.parametrize(
    ("prompt", "offers"),
    [
        ("a {red|blue} fox", True),
        ('{"style": "oil|ink"}', False),
        ('{"style": "oil"}', False),
        ("a sign that says https://example.org // so", False),
        ("{only}", False),
    ],
)
def test_json_and_addresses_are_no_dynamic_prompts(prompt: str, offers: bool) -> None:
    assert offers_choice(prompt) is offers


def test_another_seed_chooses_anew_and_the_same_one_the_same() -> None:
    text = "{" + "|".join(map(str, range(1000))) + "}"

    def take(seed: int) -> str:
        return chosen(text, by_seed("3", {"seed": seed}, text))

    assert take(1) == take(1)
    assert len({take(seed) for seed in range(10)}) > 5
