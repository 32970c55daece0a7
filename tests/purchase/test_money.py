"""What a hostile review found: each of these once cost money or a picture."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from aiohttp import web

from nodes import errors
from nodes.api import Client
from nodes.api import prices as price
from nodes.headless.executor import Result
from nodes.headless.host import Headless
from nodes.headless.sandbox import FAULTS, Received, Sandbox
from nodes.host import Bare, Interrupted, use
from nodes.purchase import background
from nodes.spend import Journal, State, database, nanos, uncertain_count
from tests.api.conftest import odd_server
from tests.conftest import Nodes, wait_until_idle
from tests.purchase.test_ask import SMALL
from tests.purchase.test_checkout import ledger, restarted
from tests.spend.conftest import forget_databases


def answering(**metadata: Any) -> Any:
    """A fault that changes the answer's metadata."""

    def change(text: str) -> str:
        body = json.loads(text)
        return json.dumps({**body, "metadata": {**body["metadata"], **metadata}})

    return dataclasses.replace(FAULTS["cut-json"], spoil_text=change)


def test_nothing_is_sent_after_stop(nodes: Nodes, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal was busy while Stop was pressed."""
    begin, entered, go_on = Journal.begin, threading.Event(), threading.Event()

    def slow(*arguments: Any) -> Any:
        entered.set()
        go_on.wait(10)
        return begin(*arguments)

    monkeypatch.setattr(Journal, "begin", slow)

    async def stopped() -> None:
        task = asyncio.create_task(nodes.start("LumenfallGenerate", **SMALL))
        await asyncio.to_thread(entered.wait)
        nodes.host.stop()
        await task

    with use(nodes.host), pytest.raises(Interrupted):
        asyncio.run(stopped())
    go_on.set()
    assert wait_until_idle(10) == 0
    assert sandbox.bill == [] and not [one for one in sandbox.requests if one.method == "POST"]


@pytest.mark.parametrize("cost", [-1.0, 1e300, 10**30, "free", True, None, [1]])
def test_a_cost_that_is_none_lifts_no_limit_and_loses_no_picture(nodes: Nodes, sandbox: Sandbox, cost: Any) -> None:
    paid = nodes("LumenfallGenerate", **SMALL).report["cost"]
    limited = restarted(nodes, LUMENFALL_LIMIT_DAY=str(paid * 2.5))
    sandbox.fail_next(answering(cost=cost))
    assert limited("LumenfallGenerate", **SMALL, seed=1).images.shape == (1, 64, 64, 3)
    with pytest.raises(errors.BudgetExceeded):
        limited("LumenfallGenerate", **SMALL, seed=2)


def test_an_odd_word_in_an_answer_keeps_no_call_out_of_the_journal(nodes: Nodes, sandbox: Sandbox) -> None:
    sandbox.fail_next(answering(cost_currency="U" * 50, provider_name="a\x00b"))
    made = nodes("LumenfallGenerate", **SMALL)
    call = Journal(nodes.host.data_dir()).find(made.report["request_id"])
    assert call and call.state is State.DONE and call.provider == "ab" and call.currency == "U" * 16


def test_one_record_that_cannot_be_entered_stops_no_other(nodes: Nodes, sandbox: Sandbox) -> None:
    nodes("LumenfallGenerate", **SMALL)
    journal = Journal(nodes.host.data_dir())
    call = journal.find(sandbox.bill[0].request_id)
    assert call
    journal.records.write(dataclasses.replace(call, id="f" * 32, state=State.ANSWERED, cost=10**40))
    again = restarted(nodes)
    assert again("LumenfallGenerate", **SMALL).report["replayed"]
    assert not again("LumenfallGenerate", **SMALL, seed=1).report["replayed"]


def test_a_server_that_knows_no_dry_run_is_never_asked_for_one(tmp_path: Path) -> None:
    """It would make the pictures, and bill them. Such a server may well listen on this machine."""
    answer = json.dumps({"data": [{"b64_json": ""}]}).encode()
    with odd_server(lambda path: (200 if path.startswith("/openai/v1/images") else 404, {}, answer)) as odd:
        host = Headless({"LUMENFALL_BASE_URL": f"{odd.url}/openai/v1", "LUMENFALL_LIMIT_DAY": "1"})
        with pytest.raises(errors.LumenfallError):
            Nodes(host)("LumenfallGenerate", **SMALL)
        assert not [path for path in map(str, odd.seen) if "dryRun" in path]


def test_a_dry_run_that_may_have_cost_money_is_told(
    nodes: Nodes, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def bought(*_: object) -> Any:
        raise errors.AnswerError("The server answered a dry run with pictures.")

    monkeypatch.setattr(Client, "dry_run", bought)
    monkeypatch.setattr(price, "_known", {})
    with pytest.raises(errors.AnswerError, match="dry run"):
        restarted(nodes, LUMENFALL_LIMIT_DAY="1")("LumenfallGenerate", **SMALL)
    assert sandbox.bill == []


def test_without_runs_the_limit_per_run_holds_for_the_process(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMENFALL_BASE_URL", sandbox.base_url)
    monkeypatch.setenv("LUMENFALL_LIMIT_RUN", "0.06")
    nodes = Nodes(Bare())  # type: ignore[arg-type]
    nodes("LumenfallGenerate", **SMALL)
    with pytest.raises(errors.BudgetExceeded, match="per run"):
        nodes("LumenfallGenerate", **SMALL, seed=1)


def test_a_put_off_attempt_says_nothing_about_the_next_one(nodes: Nodes, sandbox: Sandbox) -> None:
    sandbox.fail_next("status-429", "reset-before-headers")
    with pytest.raises(errors.ConnectionFailed) as caught:
        nodes("LumenfallGenerate", **SMALL)
    assert caught.value.charged is errors.Charged.YES
    assert list(ledger(nodes)) == [sandbox.bill[0].request_id]


def test_a_call_that_was_killed_between_its_last_two_steps_is_finished(nodes: Nodes, sandbox: Sandbox) -> None:
    nodes("LumenfallGenerate", **SMALL)
    journal = Journal(nodes.host.data_dir())
    call = journal.find(sandbox.bill[0].request_id)
    assert call
    left = dataclasses.replace(call, state=State.DOWNLOADED, facts={"entries": 1, "links": ["http://127.0.0.1:9/x"]})
    with journal.open().write() as connection:
        from nodes.spend.tables import calls

        connection.execute(calls.update().values(state="downloaded", facts=dict(left.facts)))
    journal.records._finished(call).unlink()
    journal.records.write(left)
    assert restarted(nodes)("LumenfallGenerate", **SMALL).report["replayed"]
    found = journal.find(call.id)
    assert found and found.state is State.DONE and list(journal.records.unfinished()) == []


def test_a_database_put_aside_by_another_process_is_let_go(nodes: Nodes, sandbox: Sandbox) -> None:
    nodes("LumenfallGenerate", **SMALL)
    journal = Journal(nodes.host.data_dir())
    journal.open().engine.dispose()
    for part in journal.folder.glob("spend.db*"):
        part.rename(part.with_name(f"aside-{part.name}"))
    held = dict(database._opened)
    forget_databases()
    journal.open().close()
    database._opened.update(held)
    assert nodes("LumenfallGenerate", **SMALL).report["replayed"]
    assert len(sandbox.bill) == 1


def test_the_background_comes_back_after_a_thread_could_not_be_started(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "_loop", None)
    start = threading.Thread.start

    def fail(thread: threading.Thread) -> None:
        if thread.name == "lumenfall-background":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(RuntimeError, match="start new thread"):
        nodes("LumenfallGenerate", **SMALL)
    monkeypatch.setattr(threading.Thread, "start", start)
    assert nodes("LumenfallGenerate", **SMALL).images.shape == (1, 64, 64, 3)


def test_equal_pictures_of_two_calls_outlive_the_cleaning_of_one(
    nodes: Nodes, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second call found the file there, and lost it to the cleaner before its entry held it."""
    from nodes.spend import remove
    from nodes.spend.files import Files

    nodes("LumenfallGenerate", **SMALL, seed=1, model="gpt-image-2")
    journal = Journal(nodes.host.data_dir())
    first = journal.find(sandbox.bill[0].request_id)
    assert first
    content = journal.files.get(first.pictures[0])
    put, cleaned = Files.put, threading.Event()

    def put_then_clean(files: Files, number: int, _: bytes, extension: str) -> Any:
        stored = put(files, number, content, extension)
        if not cleaned.is_set():
            cleaned.set()
            remove(journal, first)
        return stored

    monkeypatch.setattr(Files, "put", put_then_clean)
    made = nodes("LumenfallGenerate", **SMALL, seed=2)
    assert (journal.folder / made.report["requests"][0]["originals"][0]).read_bytes() == content


@pytest.mark.parametrize("missing", ["sqlalchemy", "filelock"])
def test_a_missing_library_is_named_before_anything_is_sent(
    nodes: Nodes, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)  # type: ignore[arg-type]
    with pytest.raises(errors.StoreError) as caught:
        nodes("LumenfallGenerate", **SMALL)
    assert caught.value.code == "STORE_INCOMPLETE" and "pip install" in caught.value.hint
    assert sandbox.bill == []


@pytest.mark.parametrize(
    ("model", "limit", "figures"),
    [("brand/new", "1", {}), ("brand/new", "0.5", {"brand/new": 0.4}), ("flux.2-pro", "0.04", {})],
    ids=["nobody knows a price", "a figure", "a list price"],
)
def test_a_dry_run_that_cost_nobody_knows_what_counts(model: str, limit: str, figures: dict[str, float]) -> None:
    """Once, and no second one is let through."""
    job = json.dumps({"id": "job_7", "status": "queued"}).encode()
    balance = json.dumps({"object": "balance", "available": {"amount": 5, "currency": "usd"}}).encode()

    def answer(path: str) -> tuple[int, dict[str, str], bytes]:
        found = balance if "balance" in path else job if "/images" in path else None
        return (404, {}, b"{}") if found is None else (200, {}, found)

    with odd_server(answer) as odd:
        env = {"LUMENFALL_BASE_URL": f"{odd.url}/openai/v1", "LUMENFALL_LIMIT_DAY": limit}
        host = Headless(env)
        host.data_dir().mkdir(parents=True, exist_ok=True)
        (host.data_dir() / "settings.json").write_text(json.dumps({"prices": figures}), encoding="utf-8")
        with pytest.raises(errors.AnswerError):
            Nodes(host)("LumenfallGenerate", **{**SMALL, "model": model})
        forget_databases()
        with pytest.raises(errors.BudgetExceeded, match="limit per day"):
            Nodes(Headless(env))("LumenfallGenerate", **{**SMALL, "model": model, "seed": 2})
        assert len([one for one in odd.seen if one[0] == "POST"]) == 1


def test_two_currencies_are_not_added_up(nodes: Nodes, sandbox: Sandbox) -> None:
    """A batch of two to enlarge, of which one is billed in yen."""
    sandbox.fail_next(answering(cost=5.0, cost_currency="JPY"))
    made = nodes("LumenfallUpscale", image=torch.rand(2, 32, 32, 3))
    costs = made.report["costs"]
    assert (made.report["cost"], made.report["currency"]) == (None, None)
    assert costs["JPY"] == 5 and costs["USD"] > 0 and len(costs) == 2


def test_the_two_currencies_of_a_run_are_not_added_up() -> None:
    ui = {
        "1": {"lumenfall": [{"cost": 0.04, "currency": "USD", "costs": {"USD": 0.04}}]},
        "2": {"lumenfall": [{"cost": None, "currency": None, "costs": {"USD": 0.04, "JPY": 5.0}}]},
    }
    result = Result("success", ui, {}, 1.0)
    assert (result.cost, result.costs) == (None, {"USD": 0.08, "JPY": 5.0})


MILLIONTHS = 30_000
ODD = [MILLIONTHS, "30000", 1e6, -0.03, float("nan"), float("inf"), "0,03"]


@pytest.mark.parametrize("cost", ODD)
def test_a_cost_that_cannot_be_right_is_told_and_the_log_is_asked(nodes: Nodes, sandbox: Sandbox, cost: object) -> None:
    sandbox.fail_next(answering(cost=cost))
    report = nodes("LumenfallGenerate", **SMALL).report
    assert report["cost"] == float(sandbox.billed) and sum(ledger(nodes).values()) == nanos(sandbox.billed)
    assert any("cannot be one" in note for note in report["notes"])


@pytest.mark.parametrize("cost", ODD)
def test_a_cost_that_cannot_be_right_in_the_log_either_is_not_known(
    nodes: Nodes, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, cost: object
) -> None:
    entry = Received.entry
    monkeypatch.setattr(Received, "entry", lambda received: {**entry(received), "cost": cost})
    sandbox.fail_next(answering(cost=cost))
    limited = restarted(nodes, LUMENFALL_LIMIT_DAY="1")
    assert limited("LumenfallGenerate", **SMALL).report["cost"] is None
    assert ledger(nodes) == {}
    count, reserved = uncertain_count(Journal(nodes.host.data_dir()))
    assert (count, reserved) == (1, nanos(sandbox.billed))


@pytest.mark.parametrize("cost", [2e6, True, "much"])
def test_a_cost_that_cannot_be_taken_lends_its_currency_to_no_other(
    nodes: Nodes, sandbox: Sandbox, cost: object
) -> None:
    sandbox.fail_next(answering(cost=cost, cost_currency="VND"))
    report = nodes("LumenfallGenerate", **SMALL).report
    assert (report["cost"], report["currency"]) == (float(sandbox.billed), "USD")


def test_a_key_that_is_echoed_in_escapes_is_kept_nowhere(sandbox: Sandbox, tmp_path: Path) -> None:
    key = "lmnfl_kid0123456789.SECRET+secret<SECRET>"
    host = Headless(
        {"LUMENFALL_BASE_URL": sandbox.base_url, "LUMENFALL_API_KEY": key, "LUMENFALL_DATA_DIR": str(tmp_path / "data")}
    )
    written = "".join(f"\\u{ord(letter):04X}" for letter in key)

    def echo(text: str) -> str:
        body = json.loads(text)
        metadata = {**body["metadata"], "provider_name": "@", "executed_model": "@"}
        data = [{**body["data"][0], "revised_prompt": "@"}]
        return json.dumps({**body, "metadata": metadata, "data": data}).replace('"@"', f'"{written}"')

    sandbox.fail_next(dataclasses.replace(FAULTS["cut-json"], spoil_text=echo))
    made = Nodes(host)("LumenfallGenerate", **SMALL)
    assert key not in json.dumps(made.report) and made.report["revised_prompts"] == ["***"]
    wait_until_idle(10)
    forget_databases()
    refusal = b'{"error": {"message": "no such key: ' + written.encode() + b'", "code": "INVALID_REQUEST"}}'
    raw = dataclasses.replace(FAULTS["status-400"], instead=lambda *_: web.Response(status=400, body=refusal))
    sandbox.fail_next(raw)
    with pytest.raises(errors.InvalidRequest, match=r"no such key: \*\*\*"):
        Nodes(host)("LumenfallGenerate", **SMALL, seed=2)
    wait_until_idle(10)
    forget_databases()
    kept = [path for path in (tmp_path / "data").rglob("*") if path.is_file() and key.encode() in path.read_bytes()]
    assert not kept
