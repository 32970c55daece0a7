from __future__ import annotations

import asyncio
import contextlib
import threading
import time

import httpx
import pytest

from nodes.headless.sandbox import Received, Sandbox, running


def test_nothing_is_left_behind() -> None:
    before = set(threading.enumerate())
    with running() as sandbox:
        url = sandbox.base_url
        assert httpx.get(url + "/models").status_code == 200
    assert set(threading.enumerate()) == before
    with pytest.raises(httpx.ConnectError):
        httpx.get(url + "/models")
    with pytest.raises(RuntimeError, match="not running"):
        _ = sandbox.base_url


def test_an_idle_connection_does_not_delay_the_end() -> None:
    with httpx.Client() as client:
        begun = 0.0
        with running() as sandbox:
            client.get(sandbox.base_url + "/models")
            begun = time.monotonic()
        assert time.monotonic() - begun < 2


def test_the_end_cuts_latency_short() -> None:
    arrived = threading.Event()

    class Arrivals(list[Received]):
        def append(self, received: Received) -> None:
            super().append(received)
            arrived.set()

    def call(url: str) -> None:
        body = {"model": "mock-image", "prompt": "a fox", "size": "32x32"}
        with contextlib.suppress(httpx.NetworkError, httpx.RemoteProtocolError):  # when not even the body was in
            httpx.post(url + "/images/generations", json=body, timeout=60)

    with running(latency=60) as sandbox:
        sandbox.requests = Arrivals()
        caller = threading.Thread(target=call, args=(sandbox.base_url,))
        caller.start()
        assert arrived.wait(5)
        begun = time.monotonic()
    caller.join(5)
    assert not caller.is_alive()
    assert time.monotonic() - begun < 4


def test_work_whose_client_has_left_is_finished_and_billed() -> None:
    with running() as sandbox, pytest.raises(httpx.ReadTimeout):
        body = {"model": "mock-image", "prompt": "a fox", "size": "2048x2048", "n": 2}
        httpx.post(sandbox.base_url + "/images/generations", json=body, timeout=0.1)
    assert len(sandbox.bill) == 1


def test_latency_can_be_changed_while_it_runs(sandbox: Sandbox, http: httpx.Client) -> None:
    sandbox.latency = 0.2
    begun = time.monotonic()
    assert http.post("/images/generations", json={}).status_code == 400
    assert time.monotonic() - begun >= 0.2


def test_an_error_inside_the_block_gets_out() -> None:
    with pytest.raises(ZeroDivisionError), running():
        _ = 1 / 0


def test_a_taken_port_is_reported() -> None:
    with running() as sandbox:
        port = httpx.URL(sandbox.base_url).port
        assert port is not None
        with pytest.raises(OSError), running(port=port):
            pass


def test_one_sandbox_can_be_started_again() -> None:
    sandbox = Sandbox(latency=0.01)
    for _ in range(2):
        with running(sandbox):
            body = {"model": "mock-image", "prompt": "a fox", "size": "32x32"}
            assert httpx.post(sandbox.base_url + "/images/generations", json=body).status_code == 200
    assert len(sandbox.requests) == 2


def test_it_also_lives_in_a_loop_of_the_caller() -> None:
    async def use() -> int:
        sandbox = Sandbox()
        await sandbox.start()
        try:
            async with httpx.AsyncClient() as client:
                return (await client.get(sandbox.base_url + "/models")).status_code
        finally:
            await sandbox.stop()
            assert len(asyncio.all_tasks()) == 1

    assert asyncio.run(use()) == 200
