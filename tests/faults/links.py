"""Links that lead elsewhere than one would think, and answers with more of them than were asked for."""

from __future__ import annotations

import ipaddress
import json
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from nodes import errors
from nodes.api import destinations
from nodes.errors import Charged
from nodes.headless.sandbox import Fault
from tests.faults.killing import SETTLE, killed_at
from tests.faults.table import B64, KILLED, Act, Expected, Row, both, bought, do, fails, replayed, told
from tests.faults.world import World

PRIVATE = fails(errors.DownloadError, Charged.YES)
MORE = 500
MOST = 10
"""Pictures that are fetched at most where fewer were asked for."""


def _spoilt(change: Callable[[list[Any]], list[Any]]) -> Act:
    def spoil(text: str) -> str:
        body = json.loads(text)
        return json.dumps(body | {"data": change(body["data"])})

    return do(lambda world: world.sandbox.fail_next(Fault("links", "other links", spoil_text=spoil)))


def _linked(change: Callable[[str], str]) -> Act:
    return _spoilt(lambda data: [{**entry, "url": change(entry["url"])} for entry in data])


def at_host(host: str) -> Act:
    """The same picture under another name of its machine."""
    return _linked(lambda url: url.replace(urlsplit(url).hostname or "", host))


def _names(*addresses: str) -> Act:
    """The name box.example leads to one address after the other."""

    def provoke(world: World, patch: pytest.MonkeyPatch) -> None:
        system, left = socket.getaddrinfo, list(addresses)

        def resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
            if host in ("box.example", b"box.example"):
                host = left.pop(0) if len(left) > 1 else left[0]
                ipaddress.ip_address(host)
            return system(host, *args, **kwargs)

        patch.setattr(socket, "getaddrinfo", resolve)

    return provoke


def _found(name: str, *provoke: Act) -> Row:
    return Row(f"link: {name}", bought(), replayed(), (1, 1), provoke=both(*provoke))


def _refused(name: str, *provoke: Act) -> Row:
    """And again, as the answer stays what it is."""
    says = "response_format to b64_json"
    return Row(f"link: {name}", PRIVATE, PRIVATE, (1, 1), provoke=both(*provoke), says=says, overtaken=True)


def _media(world: World) -> int:
    return sum("/media/" in received.path for received in world.sandbox.requests)


def _fetched(count: int) -> Act:
    return do(lambda world: _check_fetched(world, count))


def _check_fetched(world: World, count: int) -> None:
    assert _media(world) == count


def _ten_fetched(world: World, patch: pytest.MonkeyPatch) -> None:
    _check_fetched(world, MOST)
    (kept,) = world.folder.glob("calls/open/*.answer")
    assert len(json.loads(kept.read_bytes())["data"]) == MORE
    told(f"held {MORE - MOST} more than {MOST} pictures")(world)


def _four(name: str, parameters: dict[str, Any], **more: Any) -> Row:
    """The user has asked for four by a word of the model's maker."""
    inputs = {"options": {**B64["options"], "parameters": parameters}}
    return Row(
        f"four pictures by {name}",
        bought(4, spoilt=True),
        replayed(4, spoilt=True),
        (1, 1),
        provoke=_spoilt(lambda data: data * 4),
        inputs=inputs,
        after=_fetched(4),
        **more,
    )


def _many(data: list[Any]) -> list[Any]:
    return data * MORE


def _without_answer(world: World, patch: pytest.MonkeyPatch) -> None:
    for path in world.folder.glob("calls/open/*.answer"):
        path.unlink()


def _cut_answer(world: World, patch: pytest.MonkeyPatch) -> None:
    for path in world.folder.glob("calls/open/*.answer"):
        path.write_bytes(path.read_bytes()[:40])


AT_ANSWERED = {"target": SETTLE, "when": "after", "about": "answered", "count": 1}
ALL_TEN = bought(MOST, spoilt=True), replayed(MOST, spoilt=True)
GONE = fails(errors.AnswerError, Charged.YES)


def _answered(name: str, second: Expected, between: Act, **more: Any) -> Row:
    return Row(
        f"killed at answered, {name}",
        KILLED,
        second,
        (1, 1),
        runs=killed_at(AT_ANSWERED),
        between=between,
        ledger_late=True,
        **more,
    )


def _named_server(world: World) -> None:
    world.env["LUMENFALL_BASE_URL"] = world.sandbox.base_url.replace("127.0.0.1", "box.example")
    world.env["LUMENFALL_API_KEY"] = "a-key"


def _unnamed_server(world: World) -> None:
    world.env["LUMENFALL_BASE_URL"] = world.sandbox.base_url


def _public_here(world: World, patch: pytest.MonkeyPatch) -> None:
    """The sandbox's address counts as one of the internet."""
    real = destinations.is_public
    patch.setattr(destinations, "is_public", lambda address: str(address) == "127.0.0.1" or real(address))


ROWS = [
    Row(
        "link: private, and later the server's name leads there",
        PRIVATE,
        PRIVATE,
        (1, 1),
        provoke=both(_public_here, do(_named_server), _names("127.0.0.1"), at_host("127.0.0.3")),
        says="a private machine",
        between=both(_public_here, _names("127.0.0.3")),
        again=told("a private machine"),
        after=do(_unnamed_server),
        overtaken=True,
    ),
    _found("another name of this machine", at_host("localhost")),
    _found("an address of this machine, mapped", at_host("[::ffff:127.0.0.1]")),
    _found("a name that leads to this machine", at_host("box.example"), _names("127.0.0.1")),
    _found("a name that leads elsewhere the second time", at_host("box.example"), _names("127.0.0.1", "10.0.0.1")),
    _found("relative, from the root", _linked(lambda url: urlsplit(url).path)),
    _found("relative, below the base URL", _linked(lambda url: f"../..{urlsplit(url).path}")),
    _found("without a scheme", _linked(lambda url: url.partition(":")[2])),
    *(
        _refused(f"private, {host}", at_host(host))
        for host in ("10.0.0.1", "[64:ff9b::10.0.0.1]", "[2002:a00:1::1]", "[::ffff:10.0.0.1]", "[64:ff9b:1::10.0.0.1]")
    ),
    Row(
        "link: a name that leads to a private machine",
        PRIVATE,
        replayed(),
        (1, 1),
        provoke=both(at_host("box.example"), _names("10.0.0.1")),
        between=_names("127.0.0.1"),
        says="a private machine",
    ),
    Row("500 links for one", *ALL_TEN, (1, 1), provoke=_spoilt(_many), after=_ten_fetched),
    Row("500 pictures for one, in base64", *ALL_TEN, (1, 1), provoke=_spoilt(_many), inputs=B64),
    _four("a word that nobody knows", {"num_results": 4}),
    _four("another word that nobody knows", {"samples": 4}),
    _four("Google's word", {"parameters": {"sampleCount": 4}}),
    Row(
        "four pictures by a word that nobody knows, and killed at answered",
        KILLED,
        replayed(4, spoilt=True),
        (1, 1),
        runs=killed_at(AT_ANSWERED),
        provoke=_spoilt(lambda data: data * 4),
        inputs={"options": {**B64["options"], "parameters": {"samples": 4}}},
        ledger_late=True,
    ),
    _answered("and its answer deleted", replayed(), _without_answer),
    _answered("and its answer cut", replayed(), _cut_answer),
    _answered("in base64, and its answer deleted", GONE, _without_answer, inputs=B64),
    _answered("in base64, and its answer cut", GONE, _cut_answer, inputs=B64),
]
