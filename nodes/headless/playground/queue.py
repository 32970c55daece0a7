"""Prompts that wait, the one that runs, and those that have run."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..checks import Graph
from ..host import Headless
from .messages import Messages
from .run import Outcome, Run

log = logging.getLogger(__name__)

MAX_HISTORY = 1000


@dataclass
class Job:
    """A checked prompt. ``extra`` is what the browser sent with it; the lowest ``number`` runs first."""

    number: float
    id: str
    graph: Graph
    extra: Mapping[str, Any]
    host: Headless
    run: Run
    created: int = field(default_factory=lambda: int(time.time() * 1000))
    """Milliseconds since 1970."""

    @property
    def client(self) -> str | None:
        return self.extra.get("client_id")

    @property
    def item(self) -> list[Any]:
        """The five values that ComfyUI tells of a prompt."""
        extra = {**self.extra, "create_time": self.created}
        return [self.number, self.id, self.graph.prompt, extra, self.run.outputs]


class Queue:
    """Used in the server's loop only."""

    def __init__(self, messages: Messages) -> None:
        self.pending: list[Job] = []
        self.running: Job | None = None
        self.history: dict[str, dict[str, Any]] = {}
        """By prompt id, oldest first, in the shape of ComfyUI's /history."""
        self._messages = messages
        self._arrived = asyncio.Event()

    @property
    def remaining(self) -> int:
        return len(self.pending) + (self.running is not None)

    @property
    def info(self) -> dict[str, Any]:
        return {"exec_info": {"queue_remaining": self.remaining}}

    def greet(self, client: str) -> Iterable[tuple[str, Mapping[str, Any]]]:
        yield "status", {"status": self.info, "sid": client}
        if self.running is not None and self.running.client == client and self.running.run.current:
            yield "executing", {"node": self.running.run.current, "prompt_id": self.running.id}

    def put(self, job: Job) -> None:
        self.pending.append(job)
        self.pending.sort(key=lambda one: one.number)
        self._arrived.set()
        self._changed()

    def remove(self, ids: Iterable[str]) -> int:
        """Take waiting prompts off; how many there were."""
        before, unwanted = len(self.pending), set(ids)
        self.pending = [job for job in self.pending if job.id not in unwanted]
        self._changed()
        return before - len(self.pending)

    def interrupt(self, prompt_id: str | None = None) -> bool:
        """Stop the running prompt if it is this one, None for any; whether it was."""
        if self.running is None or prompt_id not in (None, self.running.id):
            return False
        self.running.host.stop()
        return True

    async def work(self) -> None:
        """Run what is put in, until cancelled; then the running prompt is stopped and waited for."""
        while True:
            while not self.pending:
                self._arrived.clear()
                await self._arrived.wait()
            self.running = self.pending.pop(0)
            self._changed()
            performing = asyncio.ensure_future(asyncio.to_thread(self.running.run.execute, self.running.host))
            try:
                outcome = await asyncio.shield(performing)
            except asyncio.CancelledError:
                self.running.host.stop()
                with contextlib.suppress(Exception):
                    await performing
                raise
            self._finish(self.running, outcome)

    def _finish(self, job: Job, outcome: Outcome) -> None:
        self.history[job.id] = {"prompt": job.item, **outcome}
        while len(self.history) > MAX_HISTORY:
            del self.history[next(iter(self.history))]
        self.running = None
        self._changed()
        if job.client is not None:
            self._messages.post("executing", {"node": None, "prompt_id": job.id}, job.client)

    def _changed(self) -> None:
        self._messages.post("status", {"status": self.info})
