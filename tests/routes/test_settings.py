"""The settings dialog's side of the pack, without a server in front of it."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from nodes.api import resolve_server
from nodes.errors import CredentialError, InputError
from nodes.headless.host import Headless
from nodes.headless.sandbox import running
from nodes.routes import settings
from nodes.routes.settings import Change, Trial
from nodes.spend import Journal
from tests.api.conftest import Answer, odd_server

KEY = "lmnfl_browser1.the-secret-part-of-a-key"
OTHER = "lmnfl_browser2.another-secret-for-another"
ELSEWHERE = "https://images.example.org/v1"


def save(host: Headless, **asked: Any) -> dict[str, Any]:
    return asyncio.run(settings.change(host, Change.model_validate(asked)))


def attempt(host: Headless, **asked: Any) -> dict[str, Any]:
    return asyncio.run(settings.test(host, Trial.model_validate(asked)))


def settings_file(host: Headless) -> Path:
    return host.data_dir() / "settings.json"


def test_a_key_belongs_to_the_server_that_the_dialog_names_also_where_the_environment_chose_it() -> None:
    host = Headless({"LUMENFALL_BASE_URL": ELSEWHERE})
    shown = save(host, key=KEY)
    assert shown["key"]["set"] and shown["key"]["host"] == "images.example.org"
    assert resolve_server(host.environ(), host.data_dir()).api_key == KEY
    # Without the variable, the key still goes nowhere else.
    assert resolve_server(Headless().environ(), host.data_dir()).base_url == ELSEWHERE


def test_a_stored_key_is_tried_only_with_its_own_server() -> None:
    with running(api_key=KEY) as mine, running(api_key=KEY) as yours:
        host = Headless()
        save(host, base_url=mine.base_url, key=KEY)
        assert attempt(host)["ok"] and attempt(host, base_url=f"{mine.base_url}/")["ok"]
        assert attempt(host, base_url=yours.base_url)["ok"] is False
        assert not any("authorization" in request.headers for request in yours.requests)


def test_the_environments_key_is_tried_with_the_address_that_it_is_for() -> None:
    with running(api_key=KEY) as sandbox:
        host = Headless({"LUMENFALL_BASE_URL": sandbox.base_url, "LUMENFALL_API_KEY": KEY})
        assert attempt(host, base_url=sandbox.base_url)["ok"] is True
    elsewhere = attempt(Headless({"LUMENFALL_API_KEY": KEY}), base_url=ELSEWHERE)
    assert elsewhere["ok"] is False and KEY not in str(elsewhere)


def test_a_wrong_key_is_found_also_where_the_model_list_is_open_to_all() -> None:
    def answer(path: str) -> Answer:
        if path.endswith("/models"):
            return 200, {"content-type": "application/json"}, b'{"data": [{"id": "gpt-image-2"}]}'
        refused = {"error": {"code": "AUTHENTICATION_FAILED", "message": "The API key is not valid."}}
        return 401, {"content-type": "application/json"}, json.dumps(refused).encode()

    with odd_server(answer) as server:
        found = attempt(Headless(), base_url=f"{server.url}/openai/v1", key=KEY)
    assert found["ok"] is False and found["error"]["code"] == "AUTHENTICATION_FAILED"


def test_a_server_without_a_balance_is_no_failure() -> None:
    def answer(path: str) -> Answer:
        if path.endswith("/models"):
            return 200, {"content-type": "application/json"}, b'{"data": [{"id": "flux"}]}'
        return 404, {}, b""

    with odd_server(answer) as server:
        found = attempt(Headless(), base_url=f"{server.url}/v1")
    assert found["ok"] is True and found["models"] == 1 and found["balance"] is None


@pytest.mark.parametrize("content", ['["a list"]', '"text"', "{", ""])
def test_a_file_that_is_no_settings_file_is_never_overwritten(content: str) -> None:
    host = Headless()
    host.data_dir().mkdir()
    settings_file(host).write_text(content)
    with pytest.raises(InputError, match=r"settings\.json"):
        save(host, parallel=2)
    assert settings_file(host).read_text() == content


def test_one_wrong_value_can_be_put_right_in_the_dialog() -> None:
    host = Headless()
    host.data_dir().mkdir()
    settings_file(host).write_text('{"limits": 5, "prices": "cheap", "api_key": "kept"}')
    with pytest.raises(InputError, match="limits"):
        asyncio.run(settings.show(host))
    save(host, limits={"day": 2}, prices={"flux": 0.1})
    assert json.loads(settings_file(host).read_text()) == {
        "limits": {"day": 2},
        "prices": {"flux": 0.1},
        "api_key": "kept",
    }


def test_null_takes_a_setting_back_to_its_default() -> None:
    host = Headless()
    save(host, key=KEY, replay=False, store_gb=1, parallel=9, on_failure="keep", ask_above=3, limits={"run": 1})
    shown = save(host, key=None, replay=None, store_gb=None, parallel=None, on_failure=None, ask_above=None)
    assert (shown["replay"], shown["store_gb"], shown["parallel"]) == (True, 10.0, 8)
    assert (shown["on_failure"], shown["ask_above"]) == ("stop", None)
    assert json.loads(settings_file(host).read_text()) == {"limits": {"run": 1}}


@pytest.mark.parametrize("key", ["short", "k" * 23])
def test_of_a_short_key_nothing_is_shown(key: str) -> None:
    masked = save(Headless(), key=key)["key"]["masked"]
    assert masked and not set(masked) & set(key)


@pytest.mark.parametrize("key", [KEY, "k.0123456789012345678901234567", "0123456789abcdefghijklmn"])
def test_of_a_long_key_at_most_its_ends_are_shown(key: str) -> None:
    masked = save(Headless(), key=key)["key"]["masked"]
    first, _, last = masked.partition("...")
    assert len(first) <= 8 and "." not in first and key.startswith(first) and last == key[-4:]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_only_the_owner_may_look_into_the_folder_whoever_made_it() -> None:
    dialog, journal = Headless(), Headless({"LUMENFALL_DATA_DIR": f"{Headless().data_dir()}-2"})
    save(dialog, key=KEY)
    Journal(journal.data_dir()).open()
    for host in (dialog, journal):
        assert host.data_dir().stat().st_mode & 0o777 == 0o700
    assert settings_file(dialog).stat().st_mode & 0o777 == 0o600


def test_a_missing_key_is_told_with_where_to_enter_it() -> None:
    for environ in ({}, {"LUMENFALL_BASE_URL": ELSEWHERE}):
        host = Headless(environ)
        with pytest.raises(CredentialError) as caught:
            resolve_server(host.environ(), host.data_dir())
        assert "Settings > Lumenfall" in caught.value.hint
