"""The door to the network: what is sent again, where the key goes, proxies and certificates."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import math
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme

from nodes.api import Client, ImageRequest, Reply, Server, client, error_for, retries, write_request
from nodes.errors import AnswerError, Charged, ConnectionFailed, InputError, RateLimited
from nodes.headless.sandbox import FAULTS, Sandbox
from tests.api.conftest import odd_server, send, using

REQUEST = ImageRequest("generations", "gpt-image-2", "a cat", parameters={"size": "64x64"})
KEY = "lmnfl_id.secret"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def test_dry_run_prices_and_makes_nothing(sandbox: Sandbox) -> None:
    server = Server(sandbox.base_url)
    dry_run = using(server, lambda opened: opened.dry_run(write_request(REQUEST, server.flavour)))
    assert dry_run.cost > 0 and dry_run.currency == "USD" and sandbox.bill == []
    send(server)
    assert dry_run.cost == pytest.approx(float(sandbox.billed))


def test_a_server_that_ignores_dry_run_is_not_believed() -> None:
    body = json.dumps({"data": [{"b64_json": "AAAA"}]}).encode()
    with odd_server(lambda _: (200, {}, body)) as odd, pytest.raises(AnswerError, match="with pictures"):
        server = Server(f"{odd.url}/openai/v1")
        using(server, lambda opened: opened.dry_run(write_request(REQUEST, server.flavour)))


def test_no_dry_run_where_it_would_be_a_real_one() -> None:
    with odd_server(lambda _: (200, {}, b"{}")) as odd:
        server = Server(f"{odd.url}/v1")
        with pytest.raises(InputError, match="no dry run"):
            using(server, lambda opened: opened.dry_run(write_request(REQUEST, server.flavour)))
        assert odd.seen == []


def test_balance_goes_down_by_what_was_billed(sandbox: Sandbox) -> None:
    server = Server(sandbox.base_url)
    before = using(server, lambda opened: opened.balance())
    send(server)
    after = using(server, lambda opened: opened.balance())
    assert before.amount and after.amount
    assert before.amount - after.amount == pytest.approx(float(sandbox.billed))


def test_no_connection_is_tried_again_and_not_charged() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ConnectionFailed, match="could not be reached") as caught:
        send(Server(f"http://127.0.0.1:{port}/openai/v1"))
    assert caught.value.charged is Charged.NO


def test_a_key_that_is_no_secret_does_not_damage_the_answer() -> None:
    with odd_server(lambda _: (200, {}, b'{"data": [{"b64_json": "none"}]}')) as odd:
        assert b"none" in send(Server(f"{odd.url}/v1", "none")).body


def test_a_server_that_is_busy_for_too_long_is_not_waited_for(sandbox: Sandbox) -> None:
    sandbox.fail_next("retry-after-long")
    reply = send(Server(sandbox.base_url))
    assert reply.status == 429 and len(sandbox.requests) == 1
    assert isinstance(error_for(reply.status, reply.headers, reply.body), RateLimited)


def test_retry_after_is_honoured(sandbox: Sandbox) -> None:
    sandbox.fail_next(dataclasses.replace(FAULTS["status-429"], retry_after=1))
    assert send(Server(sandbox.base_url)).status == 200
    first, second = sandbox.requests
    assert second.arrived - (first.finished or 0) >= 1.0


@pytest.mark.parametrize("value", ["Fri, 31 Dec 99999999999999999999 23:59:59 GMT", "1e999", "nan", "-5", "soon", ""])
def test_any_retry_after_ends_in_an_answer(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    with odd_server(lambda _: (429, {"retry-after": value}, b"{}")) as odd:
        assert send(Server(f"{odd.url}/openai/v1")).status == 429


def test_retry_after_may_be_a_date(sandbox: Sandbox) -> None:
    sandbox.fail_next("retry-after-date")
    assert send(Server(sandbox.base_url)).status == 200
    first, second = sandbox.requests
    assert second.arrived >= math.floor(first.arrived + 1)


def test_it_gives_up_after_some_tries(sandbox: Sandbox) -> None:
    sandbox.fail_next("status-503:9")
    assert send(Server(sandbox.base_url)).status == 503
    assert len(sandbox.requests) == retries.ATTEMPTS


@pytest.mark.parametrize(
    "code", ["UPSTREAM_ERROR", "ALL_PROVIDERS_EXHAUSTED", "INTERNAL_ERROR", "UPSTREAM_TIMEOUT", "MODEL_NOT_FOUND"]
)
def test_a_503_that_does_not_ask_to_come_again_is_not_sent_again(code: str) -> None:
    body = json.dumps({"error": {"message": "timed out", "code": code}}).encode()
    with odd_server(lambda _: (503, {"retry-after": "0"}, body)) as odd:
        send(Server(f"{odd.url}/openai/v1"))
        assert len(odd.seen) == 1


@pytest.mark.parametrize(("fault", "bound"), [("hang", "TIMEOUT"), ("hang", "DEADLINE"), ("reset-before-headers", "")])
def test_a_call_whose_answer_never_began_is_not_sent_again(
    sandbox: Sandbox, fault: str, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if bound:
        monkeypatch.setattr(client, bound, httpx.Timeout(0.5) if bound == "TIMEOUT" else 0.5)
    sandbox.fail_next(fault)
    with pytest.raises(ConnectionFailed, match="in time" if bound else "broke") as caught:
        send(Server(sandbox.base_url))
    assert caught.value.charged is Charged.UNKNOWN and len(sandbox.requests) == 1


@pytest.mark.parametrize(
    "fault",
    [
        *("status-408", "status-409", "status-500", "status-502", "status-504", "status-524", "plain-500"),
        *("html-502", "html-503", "late-504", "text-success", "error-in-200", "flat-error"),
    ],
)
def test_an_answer_that_leaves_the_outcome_open_is_not_asked_for_twice(sandbox: Sandbox, fault: str) -> None:
    sandbox.fail_next(fault)
    send(Server(sandbox.base_url))
    assert len(sandbox.requests) == 1


def test_the_servers_log_can_tell_which_request_it_was(sandbox: Sandbox) -> None:
    sandbox.fail_next("status-429")
    send(Server(sandbox.base_url), trace_id=TRACE)
    spans = [received.headers["traceparent"] for received in sandbox.requests]
    assert [received.trace_id for received in sandbox.requests] == [TRACE, TRACE] and spans[0] != spans[1]


def test_other_servers_are_sent_no_trace() -> None:
    with odd_server(lambda _: (200, {}, b"{}")) as odd:
        send(Server(f"{odd.url}/v1"), trace_id=TRACE)
        assert "traceparent" not in odd.seen[0][2]


def test_a_server_that_hangs_up_without_a_word_is_asked_once() -> None:
    def hang_up(_: str) -> tuple[int, dict[str, str], bytes]:
        raise ConnectionAbortedError

    with odd_server(hang_up) as odd:
        with pytest.raises(ConnectionFailed) as caught:
            send(Server(f"{odd.url}/v1"))
        assert caught.value.charged is Charged.UNKNOWN and len(odd.seen) == 1


@pytest.mark.parametrize("when", ["soon", "", "-5", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_odd_retry_after_values_do_no_harm(when: str) -> None:
    with odd_server(lambda _: (429, {"retry-after": when}, b"{}")) as odd:
        assert send(Server(f"{odd.url}/v1")).status == 429
        assert len(odd.seen) == retries.ATTEMPTS


def test_a_paid_body_and_the_key_follow_no_redirect() -> None:
    with odd_server(lambda _: (200, {}, b"{}")) as elsewhere:
        with odd_server(lambda _: (307, {"location": f"{elsewhere.url}/steal"}, b"")) as odd:
            assert send(Server(f"{odd.url}/v1", KEY)).status == 307
        assert elsewhere.seen == []


def test_a_key_that_the_server_quotes_is_cut_out() -> None:
    body = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}", "code": f"bad key {KEY}"}}).encode()
    with odd_server(lambda _: (401, {"x-request-id": KEY}, body)) as odd:
        reply = send(Server(f"{odd.url}/v1", KEY))
        error = error_for(reply.status, reply.headers, reply.body)
    assert KEY not in f"{reply.headers}{reply.body!r}{error}{error!r}{error.as_dict()}" and "***" in str(error)
    assert error.code == "AUTHENTICATION_FAILED", "a code that is none is not repeated"


# Proxies and certificates


def test_a_proxy_from_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with odd_server(lambda _: (200, {}, b"{}")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert send(Server("http://images.example.test/v1")).status == 200
        assert proxy.seen[0][:2] == ("POST", "http://images.example.test/v1/images/generations")


def test_a_proxy_that_refuses_is_not_charged(monkeypatch: pytest.MonkeyPatch) -> None:
    with odd_server(lambda _: (407, {}, b"")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(ConnectionFailed) as caught:
            send(Server("https://images.example.test/v1"))
    assert caught.value.charged is Charged.NO


def test_certificates_from_the_environment_are_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(variable, raising=False)
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with odd_server(lambda _: (200, {}, b"{}"), context) as odd:
        server = Server(f"https://127.0.0.1:{odd.port}/v1")
        with pytest.raises(ConnectionFailed, match="SSL_CERT_FILE") as caught:
            send(server)
        assert caught.value.charged is Charged.NO
        bundle = tmp_path / "company.pem"
        authority.cert_pem.write_to_path(str(bundle))
        monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
        assert send(server).status == 200


@pytest.mark.parametrize(
    ("variable", "value"), [("SSL_CERT_FILE", "/no/such/file.pem"), ("ALL_PROXY", "socks5://127.0.0.1:1")]
)
def test_unusable_network_settings_are_named(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InputError, match=variable):
        Client(Server("https://images.example.test/v1"))


def test_nothing_that_is_asked_stands_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with odd_server(lambda _: (200, {}, b"{}")) as odd, caplog.at_level(logging.DEBUG):
        using(Server(f"{odd.url}/v1"), lambda opened: opened.get("a-link-that-needs-no-key"))
        assert "a-link" not in caplog.text
        httpx.get(f"{odd.url}/of-others")
        assert "of-others" in caplog.text


@contextlib.contextmanager
def slow_server(pause: float) -> Iterator[str]:
    """Takes in 64 KiB of a request, pauses, takes in the next, and answers at the end. Gives its base URL."""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            arrived = connection.recv(2**16)
            head, _, rest = arrived.partition(b"\r\n\r\n")
            left = int(re.findall(rb"content-length: (\d+)", head, re.IGNORECASE)[0]) - len(rest)
            while left > 0:
                left -= len(connection.recv(2**16))
                time.sleep(pause)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        serving.join(10)


def test_a_large_upload_over_a_slow_link_is_told_and_no_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TIMEOUT", httpx.Timeout(20.0, write=1.5))
    monkeypatch.setattr(client, "DEADLINE", 0.5)
    told: list[str | None] = []

    async def upload(url: str) -> Reply:
        server = Server(url)
        request = ImageRequest("edits", "m", "p", (b"0" * 12_000_000,))
        async with Client(server, told.append) as opened:
            return await opened.send(write_request(request, server.flavour))

    with slow_server(pause=0.015) as url:
        assert asyncio.run(upload(url)).status == 200
    steps = [float(found[1]) for line in told if (found := re.match(r"uploading (\S+) of 12.0 MB", line or ""))]
    assert len(steps) > 50 and steps == sorted(steps) and told[-1] is None
