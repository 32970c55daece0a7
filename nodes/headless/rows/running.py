"""Rows, several at once in one process; what becomes of one stops no other."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from ...errors import (
    AuthenticationFailed,
    BudgetExceeded,
    Charged,
    CredentialError,
    InsufficientBalance,
    LumenfallError,
    StoreError,
    sentences,
)
from ...host import Batch, use
from ...purchase import slots
from ...purchase.session import Session
from ...spend import MAX_COST, NANOS, Call, State, calls_of_runs, spent_in_batch
from ...table import NODE_CLASS_MAPPINGS
from ..core_nodes import free, table
from ..core_nodes.saving import REASONS, SAVE_FAILED
from ..executor import Event, Result, execute
from ..folders import Folders
from ..host import Headless, RowHost
from .checking import Job, Table
from .record import FILES, Outcome, Record

SHARE_BETWEEN = 8
"""Of so many rows one may run beyond those that have a request in the air: it is being begun, or saved."""

HOPELESS = (AuthenticationFailed, CredentialError, InsufficientBalance, StoreError)
_UNSET = ("SETTINGS", "NETWORK_SETTINGS")
"""What every further row would meet too: these errors, and these codes of others."""


@dataclass
class Rows:
    """Runs jobs of ``table``. ``folders`` has where pictures are read; each row writes to a folder of its own.
    ``notify`` is called for each row that has ended.
    """

    table: Table
    folders: Folders
    record: Record
    overrides: Mapping[str, str | None]
    workflow: str
    max_cost: float | None
    paid: float
    """What they are known to have cost at earlier starts, US dollars."""
    sends_again: bool
    notify: Callable[[Job, Outcome], None]
    reason: str | None = field(default=None, init=False)
    """Why no further rows were begun."""
    _hosts: set[Headless] = field(default_factory=set, init=False)
    _stopped: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._environ = Headless(self.overrides).environ()
        elsewhere = 0.0 if self.max_cost is None else max(0.0, self.paid - self._booked())
        self._batch = Batch(self.record.batch_id, secrets.token_hex(4), self.max_cost, elsewhere)

    def _booked(self) -> float:
        """What the journal here has of these rows, US dollars. Blocks. Raises StoreError."""
        host = Headless(self.overrides)
        with use(host), Session(host).journal.open().read() as connection:
            return spent_in_batch(connection, self.record.batch_id).amount / NANOS

    def stop(self) -> None:
        """Begin no further rows, and stop those that run."""
        self._stopped = True
        for host in tuple(self._hosts):
            host.stop()

    async def run(self, jobs: Iterable[Job], at_once: int) -> None:
        """Run ``jobs``, ``at_once`` of them at a time. Where the output folder cannot be written, that is the reason
        for which no more are begun.
        """
        waiting = iter(jobs)

        async def work() -> None:
            for job in waiting:
                if self._stopped or self.reason:
                    return
                await self._one(job)

        # It belongs to the thread, and those that run at the same time would leave it in any order.
        with slots.allowed(at_once), torch.inference_mode():
            workers = [asyncio.ensure_future(work()) for _ in range(at_once + at_once // SHARE_BETWEEN)]
            try:
                await asyncio.gather(*workers)
            except OSError as error:
                why = REASONS.get(error.errno or 0) or error.strerror or type(error).__name__
                self.reason = f"What becomes of the rows cannot be kept in {self.record.output}: {why}."
            finally:
                self._stopped = True
                await asyncio.gather(*workers, return_exceptions=True)

    async def _one(self, job: Job) -> None:
        is_first = job.key not in self.record.outcomes
        place = self.record.begin(job.key)
        wanted = {node.class_type for node in job.graph.nodes.values()}
        core = table(replace(self.folders, output=place / FILES, temp=place / "temp"), wanted)
        nodes = {**core, **NODE_CLASS_MAPPINGS}
        run_id = f"{self._batch.id}{job.key}{self._batch.start}"
        host = RowHost(
            self._environ,
            workflow=self.workflow,
            nodes=nodes,
            free_nodes=free(core),
            run_id=run_id,
            sends_again=self.sends_again,
            batch=self._batch,
        )
        raised: list[BaseException] = []

        def note(event: Event) -> None:
            if event.raised is not None:
                raised.append(event.raised)

        started = time.monotonic()
        self._hosts.add(host)
        try:
            result = await execute(await job.graph.bound(nodes), host, notify=note)
        except LumenfallError as error:
            # It was checked; but a file that it names may be gone by now.
            raised.append(error)
            result = Result("error", {}, {"": error.as_dict()}, time.monotonic() - started)
        finally:
            self._hosts.discard(host)
        if result.status == "interrupted":
            return  # which the next start takes up
        await self._end(job, result, raised, is_simple=is_first and result.status == "success")

    async def _end(self, job: Job, result: Result, raised: Sequence[BaseException], *, is_simple: bool) -> None:
        error = next(iter(result.errors.values()), None)
        text = sentences(error["message"], error.get("hint") or "") if error else None
        hopeless = [each for each in raised if isinstance(each, HOPELESS) or getattr(each, "code", "") in _UNSET]
        if error and (hopeless or any(getattr(each, "code", "") in _FINAL for each in raised)):
            self.reason = self.reason or text
        is_put_off = bool(hopeless) or any(isinstance(each, BudgetExceeded) for each in raised)
        is_put_off &= all(each["charged"] == Charged.NO.value for each in result.errors.values())
        if error and is_put_off and not result.reports:
            self.record.put_off(job.key, text or "", error["code"])
            self.notify(job, self.record.outcomes[job.key])
            return
        outcome = reported(result)
        if not is_simple or outcome.error:
            try:
                calls = await asyncio.to_thread(self.calls, job.key)
            except LumenfallError as unreadable:
                # Without them nobody knows what it has cost: the next start takes it up, and replays what came.
                self.reason = self.reason or sentences(unreadable.message, unreadable.hint)
                return
            outcome = with_calls(outcome, calls)
        if error:
            outcome.error, outcome.code, outcome.charged = text, error["code"], outcome.charged or error["charged"]
            # What some of its nodes have brought is replayed; but a row may not pass its own limit start by start.
            if is_put_off and not any(getattr(each, "is_of_run", False) for each in raised):
                outcome.state = "waiting"
        self.record.end(job.key, job.number, outcome)
        self.notify(job, outcome)

    def calls(self, key: str) -> list[Call]:
        """What was sent for the row ``key``, at any start. Blocks. Raises StoreError."""
        host = Headless(self.overrides)
        with use(host):
            return calls_of_runs(Session(host).journal, f"{self._batch.id}{key}")


_FINAL = (MAX_COST, SAVE_FAILED)


def reported(result: Result) -> Outcome:
    """What the nodes of a row say of it. A node may bring less than was asked for and not fail: that is its error."""
    outcome = Outcome("done" if result.status == "success" else "failed", seconds=round(result.seconds, 2))
    # A comparison has a report for each model, with an error in place of what did not come.
    reports = [each for report in result.reports.values() for each in report.get("models") or (report,)]
    requests = [request for report in reports for request in report.get("requests", ())]
    outcome.models = list(dict.fromkeys(str(report.get("model")) for report in reports))
    outcome.request_ids = list(dict.fromkeys(each["request_id"] for each in requests if each.get("request_id")))
    outcome.cost, outcome.currency = result.cost, result.currency
    outcome.charged = None if result.cost is None else (Charged.YES if result.cost else Charged.NO).value
    outcome.error = " ".join(dict.fromkeys(text for report in reports for text in _lacking(report))) or None
    return outcome


def _lacking(report: Mapping[str, Any]) -> Iterator[str]:
    failures = [*report.get("failures", ()), *filter(None, [report.get("error")])]
    for failure in failures:
        yield f"{report.get('model')}: {sentences(failure['message'], failure.get('hint') or '')}"
    missing = sum(request.get("missing", 0) for request in report.get("requests", ()))
    if missing:
        yield f"{report.get('model')}: {missing} of its pictures {'is' if missing == 1 else 'are'} missing."


def with_calls(outcome: Outcome, calls: Sequence[Call]) -> Outcome:
    """``outcome`` with what the journal has of all attempts: the cost, and what may have been charged besides."""
    calls = [call for call in calls if call.state is not State.REFUSED or call.cost]
    if not calls:
        return outcome
    currencies = {call.currency or "USD" for call in calls if call.cost}
    costs = [call.cost_in_units for call in calls if call.cost_in_units is not None]
    doubts = [call for call in calls if call.charged is Charged.UNKNOWN]
    charged = Charged.YES if any(call.charged is Charged.YES for call in calls) else Charged.NO
    outcome = replace(outcome, charged=(Charged.UNKNOWN if doubts else charged).value)
    if costs and len(currencies) <= 1:
        outcome.cost, outcome.currency = round(math.fsum(costs), 9), next(iter(currencies), outcome.currency)
    ids = [*outcome.request_ids, *(call.request_id for call in calls if call.request_id)]
    outcome.request_ids = list(dict.fromkeys(ids))
    outcome.models = outcome.models or list(dict.fromkeys(call.model for call in calls))
    return outcome
