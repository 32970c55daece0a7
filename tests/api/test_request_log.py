"""What became of a request whose answer was lost, by the server's log."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from typing import Any

import httpx
import pytest

from nodes.api import Logged, Server, client, request_log
from nodes.errors import Charged, LumenfallError
from nodes.headless.sandbox import FAULTS, Sandbox, sending
from tests.api.conftest import Answer, odd_server, send, using

TRACE = "0af7651916cd43dd8448eb211c80319c"


def look_up(base_url: str, request_id: str | None, trace_id: str | None = TRACE) -> Logged | None:
    return using(Server(base_url), lambda opened: opened.look_up(request_id, trace_id, time.time()))


def lose(sandbox: Sandbox) -> str | None:
    """Send a request whose answer is lost; its id, if that at least came through."""
    with contextlib.suppress(LumenfallError):
        return send(Server(sandbox.base_url), TRACE).headers.get("x-lumenfall-request-id")
    return None


@pytest.mark.parametrize("fault", ["reset-before-headers", "reset-mid-body", "late-504", "text-success", "cut-json"])
def test_a_lost_answer_was_charged(sandbox: Sandbox, fault: str) -> None:
    sandbox.fail_next(fault)
    logged = look_up(sandbox.base_url, lose(sandbox))
    (bill,) = sandbox.bill
    assert logged == Logged(bill.request_id, "completed", float(bill.cost), "USD", "gpt-image-2")
    assert logged.charged is Charged.YES and len(sandbox.bill) == 1


@pytest.mark.parametrize("fault", ["status-500", "status-504", "html-502", "status-408", "content-policy"])
def test_a_failure_before_the_work_was_not_charged(sandbox: Sandbox, fault: str) -> None:
    sandbox.fail_next(fault)
    logged = look_up(sandbox.base_url, lose(sandbox))
    assert logged and logged.cost == 0 and logged.charged is Charged.NO


def test_of_a_request_that_was_put_off_first_the_paid_one_counts(sandbox: Sandbox) -> None:
    sandbox.fail_next("status-429:2", "reset-before-headers")
    lose(sandbox)
    logged = look_up(sandbox.base_url, None)
    assert logged and logged.request_id == sandbox.bill[0].request_id and logged.charged is Charged.YES


def test_work_under_way_may_still_be_charged(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TIMEOUT", httpx.Timeout(0.3))
    sandbox.latency = 60
    lose(sandbox)
    logged = look_up(sandbox.base_url, None)
    assert logged and logged.status == "processing" and logged.charged is Charged.UNKNOWN


def test_an_id_of_somebody_else_leads_on_to_the_trace(sandbox: Sandbox) -> None:
    sandbox.fail_next("reset-before-headers")
    lose(sandbox)
    logged = look_up(sandbox.base_url, "a proxy's/id")
    assert logged and logged.request_id == sandbox.bill[0].request_id


def test_an_id_that_the_log_refuses_leads_on_to_the_trace() -> None:
    entry = {"id": "req_9", "trace_id": TRACE, "status": "completed", "cost": 0.1}
    with odd_server(lambda path: (400, {}, b"{}") if "req_1" in path else (200, {}, page([entry], None))) as odd:
        logged = look_up(f"{odd.url}/openai/v1", "req_1")
    assert logged and logged.request_id == "req_9"


def test_a_request_that_never_arrived_is_not_found(sandbox: Sandbox) -> None:
    send(Server(sandbox.base_url), "f" * 32)
    assert look_up(sandbox.base_url, None) is None
    assert look_up(sandbox.base_url, "req_unknown", None) is None
    assert look_up(sandbox.base_url, None, None) is None


@pytest.mark.parametrize("hours", [-48, 48])
def test_a_wrong_clock_hides_no_request(sandbox: Sandbox, hours: int) -> None:
    send(Server(sandbox.base_url), TRACE)
    moment = time.time() + hours * 3600
    found = using(Server(sandbox.base_url), lambda opened: opened.look_up(None, TRACE, moment))
    assert found and found.request_id == sandbox.bill[0].request_id


def test_only_lumenfall_is_asked() -> None:
    with odd_server(lambda _: (200, {}, b"{}")) as odd:
        assert look_up(f"{odd.url}/v1", "req_1") is None
        assert odd.seen == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        *((200, body) for body in (b"", b"<html>", b"[]", b"{}", b'{"data": {}}', b"[" * 9999)),
        *((status, b"{}") for status in (204, 301, 401, 403, 500, 503)),
    ],
)
def test_a_log_that_cannot_be_read_is_not_one_that_knows_of_nothing(status: int, body: bytes) -> None:
    with odd_server(lambda path: (404 if "req_1" in path else status, {}, body)) as odd:
        for request_id in (None, "req_1"):
            with pytest.raises(LumenfallError):
                look_up(f"{odd.url}/openai/v1", request_id)


@pytest.mark.parametrize("status", [200, 401, 403, 429, 500, 503])
def test_an_id_that_could_not_be_looked_up_may_be_in_the_log(status: int) -> None:
    """Although no entry has its trace."""

    def answer(path: str) -> Answer:
        return (status, {}, b"{}") if "req_1" in path else (200, {}, page([], None))

    with odd_server(answer) as odd, pytest.raises(LumenfallError):
        look_up(f"{odd.url}/openai/v1", "req_1")


def test_no_connection_is_no_knowledge() -> None:
    with pytest.raises(LumenfallError):
        look_up("http://127.0.0.1:1/openai/v1", "req_1")


def test_a_log_that_never_ends_is_not_waited_for(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FREE_DEADLINE", 0.3)
    monkeypatch.setattr(sending, "DRIP_PAUSE", 0.01)
    send(Server(sandbox.base_url), TRACE)
    sandbox.fail_next(dataclasses.replace(FAULTS["slow-drip"], endpoint="requests"))
    with pytest.raises(LumenfallError):
        look_up(sandbox.base_url, None)


def page(entries: list[Any], following: str | None) -> bytes:
    return json.dumps({"data": entries, "next_page_url": following}).encode()


def test_odd_entries_hide_no_good_one() -> None:
    good = {"id": "req_1", "trace_id": TRACE, "status": "new word", "cost": "n/a", "currency": 5}
    with odd_server(lambda _: (200, {}, page([None, {"id": 5, "trace_id": TRACE}, [], good], None))) as odd:
        logged = look_up(f"{odd.url}/openai/v1", None)
    assert logged == Logged("req_1", "unknown") and logged.charged is Charged.UNKNOWN


@pytest.mark.parametrize("link", ["/v1/requests?page={}", "?page={}", "{url}/v1/requests?page={}"])
@pytest.mark.parametrize(("place", "expected"), [(5, "req_9"), (6, None)])
def test_pages_are_followed_but_not_for_ever(link: str, place: int, expected: str | None) -> None:
    entry = {"id": "req_9", "trace_id": TRACE, "status": "completed", "cost": 0.1, "currency": "usd"}

    def answer(path: str) -> Answer:
        number = int(path.partition("page=")[2] or 1)
        return 200, {}, page([entry] if number == place else [], link.format(number + 1, url=odd.url))

    with odd_server(answer) as odd:
        if expected:
            logged = look_up(f"{odd.url}/openai/v1", None)
            assert logged and logged.request_id == expected
        else:
            with pytest.raises(LumenfallError, match="longer than can be read"):
                look_up(f"{odd.url}/openai/v1", None)
        # Once from the moment of sending on, and where nothing is found once more without it.
        assert len(odd.seen) == (5 if expected else 10)


def test_the_key_does_not_follow_a_page_elsewhere() -> None:
    with odd_server(lambda _: (200, {}, page([], None))) as elsewhere:
        leading_away = page([], f"{elsewhere.url}/v1/requests")
        with (
            odd_server(lambda _: (200, {}, leading_away)) as odd,
            pytest.raises(LumenfallError, match="longer than can be read"),
        ):
            look_up(f"{odd.url}/openai/v1", None)
        assert elsewhere.seen == []


FREE = {"status": "rejected", "cost": 0, "error_code": None}
DEAR = {"status": "completed", "cost": 0.1}
OPEN = {"status": "processing"}


@pytest.mark.parametrize(
    ("refused", "entries", "expected"),
    [
        ([None], {"req_1": FREE}, None),
        (["a proxy's"], {"req_1": FREE}, None),
        (["req_1"], {"req_1": FREE}, None),
        (["req_1", None], {"req_1": FREE, "req_3": FREE}, None),
        ([None], {"req_1": OPEN}, None),
        ([None], {"req_1": OPEN, "req_2": OPEN}, None),
        ([None], {"req_1": FREE, "req_2": FREE}, Charged.NO),
        (["req_1"], {"req_1": FREE, "req_2": FREE}, Charged.NO),
        (["req_1"], {"req_1": FREE, "req_2": OPEN}, Charged.UNKNOWN),
        ([None, None], {"req_3": DEAR}, Charged.YES),
        ([], {"req_1": FREE}, Charged.NO),
    ],
)
def test_nothing_was_charged_only_where_all_that_was_sent_is_in_the_log(
    refused: list[str | None], entries: dict[str, Any], expected: Charged | None
) -> None:
    listed = [{"id": name, "trace_id": TRACE, **entry} for name, entry in entries.items()]
    with odd_server(lambda path: (404, {}, b"{}") if "/requests/" in path else (200, {}, page(listed, None))) as odd:
        server = Server(f"{odd.url}/openai/v1")
        logged = using(server, lambda opened: opened.look_up(None, TRACE, time.time(), refused))
        assert (logged and logged.charged) == expected


def test_an_id_that_was_given_to_a_refusal_too_is_not_believed() -> None:
    entry = {"id": "req_1", "trace_id": TRACE, **FREE}
    with odd_server(lambda path: (200, {}, json.dumps(entry).encode() if "req_1" in path else page([], None))) as odd:
        server = Server(f"{odd.url}/openai/v1")
        assert using(server, lambda opened: opened.look_up("req_1", TRACE, time.time(), ["req_1"])) is None


@pytest.mark.parametrize(
    ("status", "cost", "charged"),
    [
        ("completed", 0.1, Charged.YES),
        ("completed", 0.0, Charged.UNKNOWN),
        ("completed", None, Charged.UNKNOWN),
        ("upstream_failure", 0.05, Charged.YES),
        ("upstream_failure", 0.0, Charged.NO),
        ("upstream_failure", None, Charged.UNKNOWN),
        ("cancelled", 0.0, Charged.NO),
        ("rejected", None, Charged.NO),
        ("rejected", 0.1, Charged.YES),
        ("pending", 0.0, Charged.UNKNOWN),
        ("processing", 0.1, Charged.UNKNOWN),
        ("unknown", 0.0, Charged.UNKNOWN),
        ("unknown", 0.1, Charged.YES),
    ],
)
def test_what_the_log_says_about_money(status: str, cost: float | None, charged: Charged) -> None:
    assert Logged("req_1", status, cost).charged is charged


@pytest.mark.parametrize("cost", [0.0, 0.04])
def test_what_was_put_off_is_found_by_a_trace_of_its_own(cost: float) -> None:
    entry = {"id": "req_1", "trace_id": TRACE, "status": "rejected", "error_code": "RATE_LIMITED", "cost": cost}
    with odd_server(lambda _: (200, {}, page([entry], None))) as odd:
        server = Server(f"{odd.url}/openai/v1")
        logged = using(server, lambda opened: opened.look_up(None, TRACE, time.time(), [None], is_alone=True))
    assert logged and (logged.request_id, logged.cost) == ("req_1", cost)


OTHERS = {"id": "req_1", "trace_id": "f" * 32, "status": "completed", "cost": 0.1}


@pytest.mark.parametrize(
    ("listed", "cost"),
    [
        ([{"id": "req_1", "trace_id": TRACE, "status": "rejected", "cost": 0.0}, OTHERS], 0.0),
        ([OTHERS], 0.1),  # whoever is between may have changed the trace
        (None, 0.1),
    ],
)
def test_an_id_that_others_have_too_is_not_believed_where_the_trace_tells(listed: Any, cost: float) -> None:
    def answer(path: str) -> Answer:
        if path.endswith("/req_1"):
            return 200, {}, json.dumps(OTHERS).encode()
        return (503, {}, b"") if listed is None else (200, {}, page(listed, None))

    with odd_server(answer) as odd:
        logged = look_up(f"{odd.url}/openai/v1", "req_1")
    assert logged and logged.cost == cost


def test_an_error_waits_for_the_whole_log_and_not_for_each_page(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LOOK_UP_DEADLINE", 0.3, raising=False)
    monkeypatch.setattr(sending, "DRIP_PAUSE", 0.01)
    send(Server(sandbox.base_url), TRACE)
    sandbox.fail_next(dataclasses.replace(FAULTS["slow-drip"], endpoint="requests"))
    with pytest.raises(LumenfallError, match="in time"):
        look_up(sandbox.base_url, None)


def test_newer_requests_of_a_busy_account_hide_none(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """They came later, more than are read."""
    monkeypatch.setattr(request_log, "PAGE_SIZE", 2)
    monkeypatch.setattr(request_log, "WITHIN", 3600.0, raising=False)
    send(Server(sandbox.base_url), TRACE)
    bill = sandbox.bill[0]
    for number in range(2 * request_log.MAX_PAGES + 1):
        send(Server(sandbox.base_url), f"{number + 1:032x}")
    moment = time.time() - 2 * request_log.WITHIN
    sandbox.requests[0].arrived = moment
    found = using(Server(sandbox.base_url), lambda opened: opened.look_up(None, TRACE, moment))
    assert found and found.request_id == bill.request_id
    # And one that never came is told from one that is not read
    assert using(Server(sandbox.base_url), lambda opened: opened.look_up(None, "f" * 32, moment)) is None


def test_an_entry_without_a_trace_may_be_of_the_request() -> None:
    entry = {"id": "req_1", "status": "completed", "cost": 0.1}
    with odd_server(lambda _: (200, {}, page([entry], None))) as odd, pytest.raises(LumenfallError, match="whose"):
        look_up(f"{odd.url}/openai/v1", None)
