"""The same inputs, spelled otherwise the second time: another name of the model, of the server, another line end."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.faults.databases import database, garbage
from tests.faults.money import _answers
from tests.faults.stores import _model_list
from tests.faults.table import Act, Row, both, bought, do, replayed
from tests.faults.world import World

LIST_DOWN = _model_list("status-500")


def _named(name: str, first: str, second: str, **more: Any) -> Row:
    """Bought as one model, and asked for as another that is the same."""
    inputs = {"model": first}
    again = more.pop("again", lambda world: world.run(model=second))
    return Row(f"alias: {name}", bought(), replayed(), (1, 1), inputs=inputs, again=again, **more)


def _ran(executed: str) -> Act:
    return _answers(metadata={"executed_model": executed})


def _spelled(name: str, first: str, second: str) -> Row:
    def wired(world: World, patch: pytest.MonkeyPatch) -> None:
        assert world.orders[0].fields["prompt"] == "p\nq"

    return Row(
        f"prompt: {name}",
        bought(),
        replayed(),
        (1, 1),
        inputs={"prompt": first},
        again=lambda world: world.run(prompt=second),
        after=wired,
    )


def _at(path: str) -> Row:
    def move(world: World) -> None:
        parts = urlsplit(world.sandbox.base_url)
        world.env["LUMENFALL_BASE_URL"] = f"{parts.scheme}://{parts.netloc}{path}"

    return Row(f"server: {path}", bought(), replayed(), (1, 1), between=do(move))


ROWS = [
    *(
        _named(f"the server ran {executed}", "flux-2-pro", "flux.2-pro", provoke=_ran(executed))
        for executed in ("fal/fal-ai/flux-2/pro", "flux.2-pro-2026-03-01", "replicate/flux.2-pro-20260301")
    ),
    _named("and the list down then", "sandbox-picture", "sandbox-image", between=LIST_DOWN),
    _named("and the list down then, the other way", "sandbox-image", "sandbox-picture", between=LIST_DOWN),
    _named(
        "and the list down then, database of garbage",
        "sandbox-picture",
        "sandbox-image",
        between=both(LIST_DOWN, database(garbage)),
    ),
    _spelled("CRLF after LF", "p\nq", "p\r\nq"),
    _spelled("LF after CRLF", "p\r\nq", "p\nq"),
    _spelled("LF after CR", "p\rq", "p\nq"),
    _spelled("a byte order mark", "\ufeffp\nq", "p\nq"),
    *map(_at, ("//openai/v1", "/openai/./v1", "/openai/v1/.", "/openai/%76%31", "/openai/x/../v1", "/openai//v1//")),
]
