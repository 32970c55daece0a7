"""Settings are changed whole or not at all, and the key stays where it was put."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nodes.api import resolve_server
from nodes.headless.sandbox import Sandbox, running
from nodes.settings import MAX_AMOUNT
from nodes.spend import Call, Caller, Limits, nanos
from tests.routes.page import HEADERS, KEY, OTHER, Routes


def test_the_settings_file_is_for_its_owner_only_and_keeps_what_others_wrote(serve: Callable[..., Routes]) -> None:
    routes = serve()
    routes.data_dir.mkdir(parents=True)
    path = routes.data_dir / "settings.json"
    path.write_text('{"prices": {"mine": 0.5}, "of_the_future": [1]}', encoding="utf-8")
    path.chmod(0o644)
    routes.post("/settings", {"limits": {"day": 2.5}, "parallel": 2, "on_failure": "keep", "ask_above": 1})
    assert path.stat().st_mode & 0o777 == 0o600
    assert routes.file == {
        "prices": {"mine": 0.5},
        "of_the_future": [1],
        "limits": {"day": 2.5},
        "parallel": 2,
        "on_failure": "keep",
        "ask_above": 1.0,
    }
    routes.post("/settings", {"prices": {"mine": None, "provider/other": 0.25}})
    (mine,) = [model for model in routes.get("/models")["models"] if model["id"] == "gpt-image-2"]
    assert routes.file["prices"] == {"provider/other": 0.25} and mine["figure"] is False
    shown = routes.post("/settings", {"limits": {"day": None}, "parallel": None})
    assert shown["limits"] == {"run": None, "day": None, "month": None} and shown["parallel"] == 8
    assert "limits" not in routes.file and routes.file["on_failure"] == "keep"


@pytest.mark.parametrize(
    "body",
    [
        {"limits": {"day": -1}},
        {"limits": {"week": 1}},
        {"parallel": 0},
        {"parallel": 17},
        {"parallel": "many"},
        {"prices": {"a slug": 1}},
        {"prices": {"slug": "cheap"}},
        {"store_gb": "NaN"},
        {"ask_above": "Infinity"},
        {"on_failure": "explode"},
        {"api_key": "x"},
        {"key": 7},
        {"key": "k" * 2000},
        {"key": "has a space in it"},
        {"base_url": "ftp://x"},
        {"base_url": "https://user:pass@x/v1"},
        [],
        "text",
    ],
)
def test_what_cannot_be_set_changes_nothing_and_is_not_quoted(routes: Routes, body: Any) -> None:
    before = routes.file
    error = routes.post("/settings", body, 400)["error"]
    assert error["message"] and routes.file == before
    assert "kkkk" not in str(error) and "has a space" not in str(error)


def test_a_key_stays_with_its_server(routes: Routes, locked: Sandbox) -> None:
    error = routes.post("/settings", {"base_url": "https://elsewhere.test/v1"}, 409)["error"]
    assert error["code"] == "KEY_NEEDED" and routes.file["base_url"] == locked.base_url
    assert routes.post("/settings", {"base_url": None}, 409)["error"]["code"] == "KEY_NEEDED"
    # The same server, written otherwise, is none of another.
    routes.post("/settings", {"base_url": f"{locked.base_url}/"})
    moved = routes.post("/settings", {"base_url": "https://elsewhere.test/v1", "key": OTHER})
    assert moved["key"]["set"] and moved["key"]["host"] == "elsewhere.test" and routes.file["api_key"] == OTHER
    gone = routes.post("/settings", {"base_url": None, "key": None})
    assert gone["base_url"]["source"] == "default" and gone["key"]["set"] is False
    assert "api_key" not in routes.file


def test_what_the_environment_decides_cannot_be_changed(serve: Callable[..., Routes]) -> None:
    routes = serve(LUMENFALL_LIMIT_DAY="3", LUMENFALL_API_KEY=KEY, LUMENFALL_PARALLEL="2")
    shown = routes.get("/settings")
    assert shown["locked"] == {
        "key": "LUMENFALL_API_KEY",
        "limits.day": "LUMENFALL_LIMIT_DAY",
        "parallel": "LUMENFALL_PARALLEL",
    }
    assert shown["limits"]["day"] == 3 and shown["parallel"] == 2 and shown["key"]["source"] == "environment"
    for body in ({"key": OTHER}, {"limits": {"day": 4}}, {"parallel": 3, "replay": False}):
        assert "LUMENFALL_" in routes.post("/settings", body, 409)["error"]["message"]
    assert not (routes.data_dir / "settings.json").exists()


def test_two_pages_that_save_at_once_lose_nothing(routes: Routes) -> None:
    bodies = [{"limits": {name: number}} for number in range(1, 5) for name in ("run", "day", "month")]
    bodies += [{"store_gb": 7}, {"ask_above": 2}, {"parallel": 3}]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda body: routes.post("/settings", body), bodies))
    assert set(routes.file["limits"]) == {"run", "day", "month"} and routes.file["api_key"] == KEY
    assert (routes.file["store_gb"], routes.file["ask_above"], routes.file["parallel"]) == (7, 2, 3)


def test_a_damaged_file_is_told_of_and_left_alone(serve: Callable[..., Routes]) -> None:
    routes = serve()
    routes.data_dir.mkdir(parents=True)
    (routes.data_dir / "settings.json").write_text('{"api_key": "half', encoding="utf-8")
    assert "settings.json" in routes.get("/settings", 400)["error"]["message"]
    routes.post("/settings", {"parallel": 2}, 400)
    assert (routes.data_dir / "settings.json").read_text("utf-8") == '{"api_key": "half'


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "-0.01", "1e7", "1e999", "9" * 400])
@pytest.mark.parametrize("body", ['{"limits": {"day": %s}}', '{"prices": {"m": %s}}', '{"store_gb": %s}'])
def test_a_number_that_is_no_amount_changes_nothing(routes: Routes, body: str, number: str) -> None:
    before = routes.file
    headers = {**HEADERS, "Content-Type": "application/json"}
    answer = routes.http.post("/settings", content=body % number, headers=headers)
    assert answer.status_code == 400 and routes.file == before


def test_the_largest_price_fits_into_the_journal(routes: Routes) -> None:
    routes.post("/settings", {"prices": {"m": MAX_AMOUNT}, "limits": {"day": MAX_AMOUNT}})
    call = Call("k" * 64, "https://x.test/v1", "images/generations", "m")
    routes.journal.begin(call, Caller("run"), Limits(day=MAX_AMOUNT), nanos(MAX_AMOUNT))
    assert routes.get("/spend")["today"] == MAX_AMOUNT


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('["a", "list"]', "settings.json"),
        ("null", "settings.json"),
        ("", "settings.json"),
        ('{"limits": 5}', "limits"),
        ('{"parallel": 99}', "parallel"),
        ('{"prices": {"m": -1}}', "prices.m"),
    ],
)
def test_what_others_wrote_wrongly_is_named_and_not_written_over(
    serve: Callable[..., Routes], text: str, named: str
) -> None:
    routes = serve(LUMENFALL_LIMIT_RUN="1")
    routes.data_dir.mkdir(parents=True)
    path = routes.data_dir / "settings.json"
    path.write_text(text, encoding="utf-8")
    assert named in routes.get("/settings", 400)["error"]["message"]
    assert named in routes.post("/settings", {"replay": False}, 400)["error"]["message"]
    assert path.read_text("utf-8") == text


def test_a_wrong_setting_can_be_put_right_here(serve: Callable[..., Routes]) -> None:
    routes = serve()
    routes.data_dir.mkdir(parents=True)
    (routes.data_dir / "settings.json").write_text('{"parallel": 99, "limits": 5, "base_url": 7}', encoding="utf-8")
    shown = routes.post("/settings", {"parallel": 2, "limits": {"day": 1}, "key": KEY})
    assert (shown["parallel"], shown["limits"]["day"], shown["key"]["source"]) == (2, 1, "settings")


def test_a_key_is_for_the_server_that_the_environment_names(
    serve: Callable[..., Routes], locked: Sandbox, tmp_path: Path
) -> None:
    routes = serve(LUMENFALL_BASE_URL=locked.base_url)
    shown = routes.post("/settings", {"key": KEY})
    assert shown["key"]["source"] == "settings" and routes.post("/test", {})["ok"] is True
    # Without the variable it must not be sent to Lumenfall's own server.
    assert resolve_server({"LUMENFALL_CONFIG_DIR": str(tmp_path)}, routes.data_dir).base_url == locked.base_url


def test_a_server_is_tried_with_the_key_that_it_would_get(serve: Callable[..., Routes], locked: Sandbox) -> None:
    routes = serve(LUMENFALL_BASE_URL=locked.base_url, LUMENFALL_API_KEY=KEY)
    assert routes.post("/test", {"base_url": f"{locked.base_url}/"})["ok"] is True
    with running() as other:
        assert routes.post("/test", {"base_url": other.base_url})["ok"] is True
        assert "authorization" not in other.requests[0].headers


def test_no_key_is_tried_at_another_server(routes: Routes, locked: Sandbox) -> None:
    with running() as other:
        assert routes.post("/test", {"base_url": other.base_url})["ok"] is True
        assert all(KEY not in str(request.headers) for request in other.requests)
    assert routes.post("/test", {"base_url": "https://elsewhere.test/v1"})["error"]["code"] == "NO_API_KEY"
    assert routes.file == {"base_url": locked.base_url, "api_key": KEY}


@pytest.mark.parametrize(
    "base_url",
    [
        "https://:secret@x.test/v1",
        "https://x.test/v1#secret",
        "https://x.test/a\nb",
        "https://x y.test",
        "http://\0.test",
    ],
)
def test_a_base_url_that_the_client_could_not_use_is_refused(routes: Routes, base_url: str) -> None:
    error = routes.post("/settings", {"base_url": base_url, "key": KEY}, 400)["error"]
    assert error["code"] == "BASE_URL" and "secret" not in str(error)
    assert routes.post("/test", {"base_url": base_url})["error"]["code"] == "BASE_URL"


def test_only_what_was_sent_is_changed(routes: Routes) -> None:
    before = routes.file
    assert routes.post("/settings", {})["key"]["set"] is True and routes.file == before
    routes.post("/settings", {"limits": {"day": 1, "month": 9}})
    routes.post("/settings", {"limits": {"day": None}})
    assert routes.file == {**before, "limits": {"month": 9}}
