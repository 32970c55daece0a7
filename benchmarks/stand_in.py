"""The sandbox in a process of its own, so that what it draws costs the measured process nothing. It has money for all,
and says what it has billed.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


class StandIn:
    """``base_url`` is where it serves."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.base_url = self._answer()

    def log(self) -> list[dict[str, Any]]:
        """Of each paid request: ``trace``, ``prompt``, ``cost``, and when it ``arrived`` and ``finished``."""
        assert self._process.stdin is not None
        print("log", file=self._process.stdin, flush=True)
        entries: list[dict[str, Any]] = self._answer()
        return entries

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


@contextlib.contextmanager
def stand_in(latency: float = 0.0) -> Iterator[StandIn]:
    """``latency`` in seconds, before each answer."""
    command = [sys.executable, __file__, str(latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield StandIn(process)
        finally:
            process.kill()


def serve(latency: float) -> None:
    """Until standard input ends."""
    sys.path.insert(0, str(ROOT))
    from nodes.headless.sandbox import Sandbox, running

    sandbox = Sandbox(latency=latency)
    sandbox.account.balance = Decimal(10**6)
    with running(sandbox):
        print(json.dumps(sandbox.base_url), flush=True)
        for _ in sys.stdin:
            # What is in the air is billed when it is made.
            while any(request.finished is None for request in sandbox.requests):
                time.sleep(0.05)
            entries = [
                {
                    "trace": request.trace_id,
                    "prompt": request.fields.get("prompt"),
                    "cost": float(request.cost),
                    "arrived": request.arrived,
                    "finished": request.finished,
                }
                for request in sandbox.requests
                if request.endpoint.startswith("images/") and not request.is_dry_run
            ]
            print(json.dumps(entries), flush=True)


if __name__ == "__main__":
    serve(float(sys.argv[1]))
