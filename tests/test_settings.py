"""Settings: environment first, then the file; what is wrong is named."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from nodes.errors import InputError
from nodes.settings import Settings, change_settings, read_settings, variables

ROOT = Path(__file__).parents[1]


def test_without_any_nothing_is_limited(tmp_path: Path) -> None:
    settings = read_settings({}, tmp_path)
    assert settings.limits.model_dump() == {"run": None, "day": None, "month": None}
    assert settings.replay and settings.database is None


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    content = {"limits": {"day": 5, "month": 50}, "prices": {"my-model": 0.02}, "replay": False, "api_key": "k"}
    (tmp_path / "settings.json").write_text(json.dumps(content), encoding="utf-8-sig")
    settings = read_settings({"LUMENFALL_LIMIT_DAY": "2.5", "LUMENFALL_STORE_GB": "1"}, tmp_path)
    assert settings.limits.model_dump() == {"run": None, "day": 2.5, "month": 50.0}
    assert settings.prices == {"my-model": 0.02} and settings.store_gb == 1.0 and not settings.replay


@pytest.mark.parametrize(
    ("environ", "content", "named"),
    [
        ({"LUMENFALL_LIMIT_DAY": "five"}, "{}", "LUMENFALL_LIMIT_DAY"),
        ({"LUMENFALL_LIMIT_RUN": "-1"}, "{}", "LUMENFALL_LIMIT_RUN"),
        ({"LUMENFALL_LIMIT_DAY": "inf"}, "{}", "LUMENFALL_LIMIT_DAY"),
        ({"LUMENFALL_LIMIT_MONTH": "nan"}, "{}", "LUMENFALL_LIMIT_MONTH"),
        ({"LUMENFALL_REPLAY": "perhaps"}, "{}", "LUMENFALL_REPLAY"),
        ({}, '{"limits": {"day": "lots"}}', "limits.day"),
        ({}, '{"limits": 5}', "limits"),
        ({}, '{"prices": {"m": "cheap"}}', "prices.m"),
        ({}, "{", "settings.json"),
        # What is meant for a limit must not limit nothing.
        ({}, '{"limits": {"daily": 1}}', "limits.daily"),
        ({}, '{"limits": {"Day": 1}}', "limits.Day"),
        ({}, '{"limits": {"day": 5, "week": 1}}', "limits.week"),
        ({}, '{"limit": {"day": 1}}', "limit in"),
        ({}, '{"Limits": {"day": 1}}', "Limits in"),
        ({}, '{"limits.day": 1}', "limits.day in"),
        ({}, '{"limit_day": 1}', "limit_day in"),
        ({}, '{"max_spend": 1}', "max_spend in"),
        ({}, '{"Budget": 1}', "Budget in"),
        ({}, '{"day": 1}', "day in"),
        ({}, '{"per_month": 1}', "per_month in"),
        ({"LUMENFALL_LIMIT_DAILY": "1"}, "{}", "LUMENFALL_LIMIT_DAILY"),
        ({"LUMENFALL_LIMIT": "1"}, "{}", "LUMENFALL_LIMIT "),
        ({"LUMENFALL_LIMT_DAY": "1"}, "{}", "LUMENFALL_LIMT_DAY"),
        ({"LUMENFALL_DAY_LMIT": "1"}, "{}", "LUMENFALL_DAY_LMIT"),
        ({"LUMENFALL_MAX_PER_DAY": "1"}, "{}", "LUMENFALL_MAX_PER_DAY"),
        ({"LUMENFAL_LIMIT_DAY": "1"}, "{}", "LUMENFAL_LIMIT_DAY"),
        ({"LUMENFALL_BUGDET": "1"}, "{}", "LUMENFALL_BUGDET"),
        ({}, '{"limts": {"day": 1}}', "limts in"),
        ({}, '{"Limits": {"day": 1}}', "Limits in"),
        ({}, '{"max_per_day": 1}', "max_per_day in"),
        ({}, '{"maxPerDay": 1}', "maxPerDay in"),
        ({}, '{"dailyCap": 1}', "dailyCap in"),
        ({}, '{"usd_per_month": 1}', "usd_per_month in"),
        ({}, '{"maxusd": 1}', "maxusd in"),
        ({}, '{"limits": {"day": true}}', "limits.day"),
        ({}, '{"limits": {"day": false}}', "limits.day"),
        ({}, '{"prices": {"a": true}}', "prices.a"),
        ({}, '{"limits": {"day": 1}, "limits": {"month": 50}}', "limits stands twice"),
        ({}, '{"limits": {"day": 1, "day": 100}}', "day stands twice"),
        ({}, '{"prices": {"a": 1, "a": 2}}', "a stands twice"),
        ({"LUMENFALL_LIMITS_DAY": "1"}, "{}", "LUMENFALL_LIMITS_DAY"),
        ({"lumenfall_limit_day": "1"}, "{}", "lumenfall_limit_day"),
        ({"LUMENFALL_MAX_SPEND": "1"}, "{}", "LUMENFALL_MAX_SPEND"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    tmp_path: Path, environ: dict[str, str], content: str, named: str
) -> None:
    (tmp_path / "settings.json").write_text(content)
    with pytest.raises(InputError) as caught:
        read_settings(environ, tmp_path)
    assert named in caught.value.message and caught.value.code == "SETTINGS"


def test_a_name_that_is_no_limit_is_told_with_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"limits": {"daily": 1}}')
    with pytest.raises(InputError, match="run, day and month"):
        read_settings({}, tmp_path)
    with pytest.raises(InputError, match="LUMENFALL_LIMIT_RUN, LUMENFALL_LIMIT_DAY and LUMENFALL_LIMIT_MONTH"):
        read_settings({"LUMENFALL_LIMIT_WEEK": "1"}, tmp_path / "none")


def test_other_names_that_are_no_settings_are_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """They may be those of another version."""
    content = {"paralel": 2, "api_key": "k", "base_url": "http://x", "lmnfl_kid0123456789.SECRETsecretSECRET42": 1}
    (tmp_path / "settings.json").write_text(json.dumps(content))
    for _ in range(2):
        assert read_settings({"LUMENFALL_LIMIT_DAILY": " ", "LUMENFALL_LATER": "1"}, tmp_path).parallel == 8
    assert caplog.text.count("paralel") == 1 and "parallel" in caplog.text
    assert "api_key" not in caplog.text and "base_url" not in caplog.text and "SECRET" not in caplog.text


OTHERS = (
    "max_retries",
    "run_name",
    "price_per_model",
    "send_again",
    "summit",
    "daylight",
    "capture",
    "maxSide",
    "cost",
)


@pytest.mark.parametrize("name", OTHERS)
def test_a_name_that_speaks_of_something_else_stands_in_nobodys_way(tmp_path: Path, name: str) -> None:
    (tmp_path / "settings.json").write_text(json.dumps({name: 1, "parallel": 2}))
    assert read_settings({f"LUMENFALL_{name.upper()}": "1", "MAX_USD_PER_DAY": "1"}, tmp_path).parallel == 2


def test_other_names_that_stand_twice_stand_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"parallel": 3, "parallel": 2, "later": {"a": 1, "a": 2}}')
    assert read_settings({}, tmp_path).parallel == 2


def test_a_setting_that_was_renamed_goes_on_working(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "settings.json").write_text('{"warn_above": 2}')
    assert read_settings({}, tmp_path).ask_above == 2
    change_settings(tmp_path, lambda content: content.update(parallel=3))
    assert json.loads((tmp_path / "settings.json").read_text()) == {"ask_above": 2, "parallel": 3}
    (tmp_path / "settings.json").write_text('{"warn_above": 2, "ask_above": 1}')
    assert read_settings({}, tmp_path).ask_above == 1 and not caplog.text


def test_the_databases_password_is_not_shown(tmp_path: Path) -> None:
    settings = read_settings({"LUMENFALL_DATABASE": "postgresql+psycopg://me:secret@db/spend"}, tmp_path)
    assert "secret" not in repr(settings)


def test_every_variable_decides_its_setting(tmp_path: Path) -> None:
    values = {
        "replay": "off",
        "check_base_url": "off",
        "on_failure": "keep",
        "receipts": "cost",
        "picture_field": "image",
        "database": "postgresql://db/spend",
    }
    for variable, place in variables().items():
        text = values.get(place[-1], "3")
        settings = read_settings({variable: text}, tmp_path).model_dump()
        for part in place:
            settings = settings[part]
        assert settings == {"off": False, "3": 3}.get(text, text)


def test_the_readme_lists_each_setting_with_its_variables() -> None:
    rows = re.findall(
        r"^\| `(\".+)` \|(.*?)\| .+ \|$", (ROOT / "docs" / "settings.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    listed: dict[str, set[str]] = {}
    for setting, cell in rows:
        first, *others = re.findall(r"`(\w+)(?:=\w+)?`", cell) or [""]
        (name,) = json.loads(f"{{{setting}}}")
        # `LUMENFALL_LIMIT_RUN`, `_DAY`: the ending that differs.
        listed[name] = {first, *(first[: first.rindex("_")] + ending for ending in others)} - {""}
        if name != "database":
            Settings.model_validate_json(f"{{{setting}}}")
    expected: dict[str, set[str]] = {name: set() for name in Settings.model_fields}
    for variable, place in variables().items():
        expected[place[0]].add(variable)
    assert listed == expected
