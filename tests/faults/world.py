"""A server, a data folder, and what must hold between them after whatever went wrong."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import sqlalchemy as sa
import torch
from aiohttp import web
from PIL import Image

from nodes.api import base_urls, catalogue
from nodes.api import prices as price
from nodes.headless.host import Headless
from nodes.headless.sandbox import Fault, Received, Sandbox, running
from nodes.headless.sandbox.sending import reset
from nodes.purchase import charged_dry_runs
from nodes.spend import Journal, database, nanos, records, tables
from tests.conftest import wait_until_idle
from tests.faults.child import Outcome, attempt, digest

GENERATE = "LumenfallGenerate"
INPUTS: dict[str, Any] = {"prompt": "a cat", "size": "64x64", "model": "flux.2-pro"}

IN_LINE = "waiting for an equal request"

# Errors that may speak of a request that an earlier run sent.
_OF_EARLIER = ("Unresolved", "DownloadError", "AnswerError")


class Forks:
    """The parent of all child processes of a test session."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: list[Child] = []
        self._count = 0
        self._parent: subprocess.Popen[str] | None = None

    def order(self, **order: Any) -> Child:
        if self._parent is None:
            script = Path(__file__).with_name("child.py")
            self._parent = subprocess.Popen([sys.executable, str(script)], stdin=subprocess.PIPE, text=True)
        assert self._parent.stdin is not None
        self._count += 1
        pipe = self._folder / str(self._count)
        os.mkfifo(pipe)
        print(json.dumps({**order, "pipe": str(pipe)}), file=self._parent.stdin, flush=True)
        child = Child(pipe)
        self._children.append(child)
        return child

    def end_children(self) -> None:
        """Those that a test has left behind."""
        for child in self._children:
            child.end()
        self._children.clear()

    def close(self) -> None:
        if self._parent is not None and self._parent.stdin is not None:
            self._parent.stdin.close()
            self._parent.wait()


class Child:
    """A process that runs a node."""

    def __init__(self, pipe: Path) -> None:
        self._lines = pipe.open(encoding="utf-8")
        self.pid = int(self._lines.readline())

    def says(self, text: str) -> None:
        """Wait until it does, with the seconds behind it or not."""
        said = re.compile(re.escape(text) + r"( \(\d+ s\))?")
        assert any(said.fullmatch(line.strip()) for line in self._lines), f"it never said {text!r}"

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with self._lines:
            self._lines.read()

    def end(self) -> None:
        if not self._lines.closed:
            self.kill()

    def outcome(self) -> Outcome:
        """Wait for its end."""
        with self._lines:
            last = self._lines.read().splitlines()[-1:]
        if not last or not last[0].startswith("{"):
            return Outcome(died=True)
        told = json.loads(last[0])
        assert "crash" not in told, told["crash"]
        return Outcome(**{name: tuple(value) if isinstance(value, list) else value for name, value in told.items()})


LONGEST = 120
"""Seconds that a gate holds where a test has failed to open it: more than the slowest machine needs for any test."""


class Gate:
    """A fault that holds an answer back until it is opened."""

    def __init__(self, endpoint: str = "images/") -> None:
        self._reached, self._opened = threading.Event(), threading.Event()
        self._broken = False
        self.fault = Fault("gate", "an answer that waits", endpoint=endpoint, sending=self._hold)

    async def _hold(self, request: Any, response: Any) -> Any:
        self._reached.set()
        await asyncio.to_thread(self._opened.wait, LONGEST)
        return await reset(request, response) if self._broken else response

    def wait(self) -> None:
        assert self._reached.wait(LONGEST), "nothing came to the gate"

    def open(self) -> None:
        self._opened.set()

    def break_off(self) -> None:
        """Reset the connection instead."""
        self._broken = True
        self._opened.set()


NO_LOG = Fault(
    "no-log",
    "a request log that is out of order",
    endpoint="requests",
    instead=lambda fault, request: web.Response(status=503),
)


class World:
    """One sandbox and one data folder. Each run is a new host, which remembers nothing of an earlier one."""

    _port = 0

    def __init__(self, folder: Path, forks: Forks) -> None:
        self.sandbox = sandbox = Sandbox()
        self._running = contextlib.ExitStack()
        self.start_server()
        self.folder = folder
        self.inputs = dict(INPUTS)
        self.env: dict[str, str] = {"LUMENFALL_BASE_URL": sandbox.base_url, "LUMENFALL_DATA_DIR": str(folder)}
        self._forks = forks

    # The server

    def start_server(self) -> None:
        """On the port that it had before."""
        self._running.enter_context(running(self.sandbox, port=self._port))
        self._port = urlsplit(self.sandbox.base_url).port or 0

    def stop_server(self) -> None:
        """From now on connections are refused."""
        self._running.close()

    # Runs

    def host(self) -> Headless:
        return Headless(self.env)

    def run(self, **inputs: Any) -> Outcome:
        """In this process, which forgets what a new one would not know."""
        forget()
        return self.run_here(**inputs)

    def run_here(self, **inputs: Any) -> Outcome:
        """In this process, as it is."""
        return attempt(self.host(), GENERATE, {**self.inputs, **inputs})

    def start(
        self,
        die: Mapping[str, Any] | None = None,
        clock: float = 0,
        folder: Path | None = None,
        settings: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        sends_again: bool = False,
        **inputs: Any,
    ) -> Child:
        """In a process of its own; with another ``folder`` as on another machine."""
        env = {**os.environ, **self.env, "LUMENFALL_DATA_DIR": str(folder or self.folder), **(env or {})}
        more = {"die": die, "clock": clock, "settings": settings or {}, "sends_again": sends_again}
        return self._forks.order(env=env, node=GENERATE, inputs={**self.inputs, **inputs}, **more)

    def let_pass(self, seconds: float) -> None:
        """All that is in the journal was sent so much earlier."""
        forget()
        journal = Journal(self.folder, self.env.get("LUMENFALL_DATABASE"))
        with journal.open().write() as connection:
            columns = tables.calls.c
            for name, sent_at, facts in connection.execute(sa.select(columns.id, columns.sent_at, columns.facts)).all():
                if "dated" in facts:
                    facts = {**facts, "dated": facts["dated"] - seconds}
                changed = {"sent_at": sent_at - seconds, "facts": facts}
                connection.execute(sa.update(tables.calls).where(columns.id == name).values(changed))

    def hold_database(self) -> Child:
        """Let another process hold the database's only right to write, until it is killed."""
        holder = self._forks.order(env={}, hold=str(self.folder / "spend.db"))
        holder.says("holding")
        return holder

    # What the server knows

    @property
    def orders(self) -> list[Received]:
        """The requests that cost something, or would have."""
        return [one for one in self.sandbox.requests if one.method == "POST" and not one.is_dry_run]

    @property
    def bills(self) -> int:
        return len(self.sandbox.bill)

    def wait_for_bill(self, count: int = 1) -> None:
        until(lambda: self.bills >= count and all(one.finished for one in self.orders))

    # What must hold

    def check_ledger(self) -> None:
        """The ledger is the bill: the same requests, and the same money to the last nano."""
        forget()
        with Journal(self.folder, self.env.get("LUMENFALL_DATABASE")).open().read() as connection:
            query = sa.select(tables.calls.c.request_id, tables.calls.c.cost).where(tables.calls.c.cost > 0)
            ledger = sorted(tuple(row) for row in connection.execute(query))
        assert ledger == sorted((charge.request_id, nanos(charge.cost)) for charge in self.sandbox.bill)

    def check_money(self, outcome: Outcome, new_bills: int) -> None:
        """What a run says about money is what the server knows."""
        if outcome.died:
            return
        if outcome.error is None:
            new = sum(charge.cost for charge in self.sandbox.bill[self.bills - new_bills :]) if new_bills else 0
            assert nanos(outcome.cost or 0) == nanos(new)
            return
        if outcome.charged is None:
            return
        paid = new_bills or (self.bills if outcome.error in _OF_EARLIER else 0)
        if outcome.charged == "may have been charged":
            claims = {"is not known"}
        else:
            assert outcome.charged == ("charged" if paid else "not charged")
            claims = {"has charged"} if paid else {"nothing was charged"}
        for claim in {"is not known", "has charged", "nothing was charged"} - claims:
            assert claim not in outcome.text
        assert outcome.text.splitlines()[-1].endswith(f"| {outcome.charged}]")
        for name in re.findall(r"(?:calls/open|store)/[\w./]+\w", outcome.text):
            assert (self.folder / name).exists(), f"{name} is named, but not there"


def check_promises(first: Outcome, again: Outcome, ordered: int, new_bills: int) -> None:
    """What the message of the first run said about the next one came true."""
    if "for free" in first.text or "it is free" in first.text:
        assert again.pictures and new_bills == 0
    if "are not sent again" in first.text and first.charged == "charged":
        assert ordered == 0
    if "may be sent again" in first.text:
        assert new_bills == 1


def forget() -> None:
    """All that a process remembers of databases, prices and servers, once nothing of it is under way."""
    assert wait_until_idle(10) == 0
    for opened in list(database._opened.values()):
        opened.engine.dispose()
    lists = (catalogue._failures, catalogue._recent, base_urls.WEB_PAGES)
    for memory in (database._opened, records._owed, price._known, charged_dry_runs._marked, *lists):
        memory.clear()


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread or process does, at most ten seconds."""
    waiting = threading.Event()
    for _ in range(2000):
        if condition():
            return
        waiting.wait(0.005)
    raise AssertionError("it never happened")


_painted: dict[str, tuple[str, ...]] = {}


def painted(folder: Path, inputs: dict[str, Any]) -> tuple[str, ...]:
    """What a server with no fault paints for these inputs, in this order; it is asked a second time without the pack,
    which has no say in what is right.
    """
    name = json.dumps(inputs, sort_keys=True)
    if name not in _painted:
        with running() as flawless:
            env = {"LUMENFALL_BASE_URL": flawless.base_url, "LUMENFALL_DATA_DIR": str(folder / "flawless")}
            made = attempt(Headless(env), GENERATE, inputs)
            (order,) = (one for one in flawless.requests if one.method == "POST")
            fields = {**order.fields, "response_format": "b64_json"}
            data = httpx.post(f"{flawless.base_url}/images/generations", json=fields).raise_for_status().json()["data"]
        files = [io.BytesIO(base64.b64decode(entry["b64_json"])) for entry in data]
        _painted[name] = tuple(digest(torch.from_numpy(np.array(Image.open(file).convert("RGB")))) for file in files)
        assert made.pictures == _painted[name]
    return _painted[name]
