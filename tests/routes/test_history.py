"""The history: every call once, its pictures, and its node."""

from __future__ import annotations

import asyncio
import contextlib
import io
import threading
import uuid
import warnings
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nodes.errors import Charged, InputError
from nodes.headless.host import Headless
from nodes.headless.sandbox import Sandbox
from nodes.host import Interrupted
from nodes.routes.history import picture
from nodes.spend import Call, Caller, Journal, Limits, State
from tests.routes.page import GENERATE, GRAPH, Routes


def test_a_call_is_listed_with_its_picture_and_its_node(routes: Routes) -> None:
    routes.run("LumenfallGenerate", GRAPH, **GENERATE)
    (call,) = routes.get("/calls")["calls"]
    assert (call["model"], call["cost"], call["prompt"], call["node_title"]) == ("gpt-image-2", 0.053, "a kite", "Kite")
    assert not call["approximate"] and call["has_graph"] and call["recoverable"] and call["state"] == "done"
    kept = routes.get(f"/calls/{call['id']}/graph")
    assert kept == {"node": "1", "graph": {"1": GRAPH["1"], "2": GRAPH["2"]}}
    original = routes.http.get(f"/calls/{call['id']}/pictures/1")
    assert original.headers["content-type"] == "image/png" and original.headers["x-content-type-options"] == "nosniff"
    small = routes.http.get(f"/calls/{call['id']}/pictures/1?side=16")
    assert small.headers["content-type"] == "image/webp" and len(small.content) < len(original.content)
    assert routes.get("/spend")["days"][-1] == {
        "date": routes.get("/spend")["days"][-1]["date"],
        "cost": 0.053,
        "pictures": 1,
    }


@pytest.mark.parametrize(
    "path",
    [
        "/calls/{id}/pictures/2",
        "/calls/{id}/pictures/99999999999999999999",
        "/calls/0123456789abcdef/pictures/1",
        "/calls/..%2F..%2Fsettings.json/pictures/1",
        "/calls/nobody/graph",
    ],
)
def test_what_is_not_there_is_not_found(routes: Routes, path: str) -> None:
    routes.run("LumenfallGenerate", GRAPH, **GENERATE)
    (call,) = routes.get("/calls")["calls"]
    answer = routes.http.get(path.format(id=call["id"]))
    assert answer.status_code == 404 and "api_key" not in answer.text


@pytest.mark.parametrize(
    ("state", "facts", "can"),
    [
        (State.LOST, {}, True),
        (State.LOST, {"given_up": 1.0}, False),
        (State.ANSWERED, {"entries": 1, "links": ["http://10.0.0.1/x.png"]}, True),
        (State.CLEANED, {}, False),
    ],
)
def test_it_is_said_of_which_calls_sending_again_may_be_asked(
    routes: Routes, state: State, facts: dict[str, Any], can: bool
) -> None:
    call = Call("k" * 64, "https://x.test/v1", "images/generations", "m", charged=Charged.YES)
    routes.journal.settle(replace(call, state=state, facts=facts))
    (listed,) = routes.get("/calls")["calls"]
    assert listed["can_send_again"] is can


def test_what_has_lost_a_picture_may_be_sent_again(routes: Routes) -> None:
    routes.run("LumenfallGenerate", GRAPH, **GENERATE)
    (call,) = routes.get("/calls")["calls"]
    assert call["can_send_again"] is False
    (path,) = routes.journal.files.root.glob("??/*.png")
    path.unlink()
    (call,) = routes.get("/calls")["calls"]
    assert call["can_send_again"] is True


def test_what_no_rate_converts_is_said_in_its_own_currency(routes: Routes) -> None:
    call = Call("k" * 64, "https://x.test/v1", "images/generations", "m", state=State.DONE, charged=Charged.YES)
    routes.journal.settle(replace(call, cost=5 * 10**9, currency="EUR"))
    spent = routes.get("/spend")
    assert spent["today"] == spent["month"] == 0
    assert spent["unconverted"] == [{"currency": "EUR", "today": 5.0, "month": 5.0}]


@pytest.mark.parametrize("side", ["0", "-1", "100000", "x", "1e3"])
def test_a_thumbnail_of_no_size_is_refused(routes: Routes, side: str) -> None:
    assert routes.http.get(f"/calls/x/pictures/1?side={side}").status_code == 400


def test_what_came_in_a_pictures_place_is_not_handed_to_a_browser(routes: Routes) -> None:
    page = routes.journal.files.put(1, b"<script>alert(1)</script>", ".bin")
    enter(routes.journal, "a" * 32, 100.0, pictures=(page,))
    (call,) = routes.get("/calls")["calls"]
    assert call["pictures"] == []
    assert routes.http.get(f"/calls/{call['id']}/pictures/1").status_code == 404


def test_pages_of_the_history_lose_and_repeat_nothing(routes: Routes) -> None:
    # Requests of one node leave at the same moment.
    for number in range(23):
        enter(routes.journal, f"{number:032x}", 1000.0 + number // 4)
    seen: list[str] = []
    before, more = "", True
    while more:
        page = routes.get(f"/calls?limit=5{before}")
        seen += [call["id"] for call in page["calls"]]
        more = page["more"]
        before = f"&before={page['calls'][-1]['id']}"
    assert len(seen) == len(set(seen)) == 23


def enter(journal: Journal, call_id: str, moment: float, **columns: Any) -> None:
    call = Call("k" * 64, "https://x.test/v1", "images/generations", "m", id=call_id, sent_at=moment, **columns)
    journal.settle(replace(call, state=State.DONE, charged=Charged.YES, cost=1))


def test_a_call_in_the_air_is_running(routes: Routes, locked: Sandbox) -> None:
    locked.latency = 30.0

    def go() -> None:
        with pytest.raises(Interrupted):
            routes.run("LumenfallGenerate", GRAPH, **{**GENERATE, "seed": 2})

    thread = threading.Thread(target=go)
    thread.start()
    deadline = threading.Event()
    found: list[Any] = []
    try:
        for _ in range(200):
            found = routes.get("/calls")["running"]
            assert routes.get("/spend")["uncertain"] == 0
            if found:
                break
            deadline.wait(0.05)
        assert [call["prompt"] for call in found] == ["a kite"] and found[0]["state"] == "sent"
        assert routes.get("/calls")["calls"] == []
    finally:
        routes.host.stop()
        thread.join(30)


def test_a_search_is_of_all_calls_and_paged(routes: Routes) -> None:
    for number in range(40):
        prompt = "a Fox" if number % 10 == 0 else "a kite"
        enter(routes.journal, f"{number:032x}", 1000.0 + number, parameters={"prompt": prompt})
    page = routes.get("/calls?search=fox&limit=3")
    assert [int(call["id"], 16) for call in page["calls"]] == [30, 20, 10] and page["more"]
    rest = routes.get(f"/calls?search=fox&limit=3&before={page['calls'][-1]['id']}")
    assert [int(call["id"], 16) for call in rest["calls"]] == [0] and not rest["more"]
    for search in ("%25", "a%20%00", "%ED%A0%BD", "x" * 5000, "a+" * 500):
        assert len(routes.get(f"/calls?search={search}")["calls"]) in (0, 30)


@pytest.mark.parametrize("side", [1, 64, 2048])
def test_a_thumbnail_is_never_larger_than_asked_nor_than_the_picture(routes: Routes, side: int) -> None:
    routes.run("LumenfallGenerate", GRAPH, **GENERATE)
    (call,) = routes.get("/calls")["calls"]
    answer = routes.http.get(f"/calls/{call['id']}/pictures/1?side={side}")
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.format == "WEBP" and max(picture.size) == min(side, 64)


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x89PNG\r\n\x1a\n" + bytes(40)])
@pytest.mark.parametrize("extension", [".png", ".jpg", ".webp", ".avif", ".gif"])
def test_no_thumbnail_is_made_of_what_is_no_picture(routes: Routes, content: bytes, extension: str) -> None:
    enter(routes.journal, "a" * 32, 100.0, pictures=(routes.journal.files.put(1, content, extension),))
    assert routes.get(f"/calls/{'a' * 32}/pictures/1?side=16", 404)["error"]["code"] == "NOT_FOUND"


def test_no_thumbnail_is_made_of_a_picture_that_would_fill_the_memory(routes: Routes) -> None:
    whole = io.BytesIO()
    Image.new("RGB", (8, 8)).save(whole, "GIF")
    bomb = bytearray(whole.getvalue())
    bomb[6:10] = b"\xff" * 4  # width and height
    enter(routes.journal, "a" * 32, 100.0, pictures=(routes.journal.files.put(1, bytes(bomb), ".gif"),))
    assert "DecompressionBomb" in routes.get(f"/calls/{'a' * 32}/pictures/1?side=16", 404)["error"]["message"]


@given(data=st.data())
def test_a_picture_that_is_broken_anywhere_is_missing_and_nothing_worse(data: st.DataObject, store: Journal) -> None:
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF"]))
    whole = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(whole, kind)
    content = bytearray(whole.getvalue())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    stored = store.files.put(1, bytes(content[: data.draw(st.integers(0, len(content)))]), f".{kind.lower()}")
    if kind == "JPEG":
        stored = replace(stored, extension=".jpg")
    call_id = uuid.uuid4().hex
    enter(store, call_id, 100.0, pictures=(stored,))
    host = Headless({"LUMENFALL_DATA_DIR": str(store.folder)})
    with contextlib.suppress(InputError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asyncio.run(picture(host, call_id, 1, 16))


def test_a_picture_is_found_by_numbers_only(routes: Routes) -> None:
    enter(routes.journal, "a" * 32, 100.0)
    for number in ("-1", "0", "1.png", "9" * 5000, "x"):
        assert routes.http.get(f"/calls/{'a' * 32}/pictures/{number}").status_code == 404


def test_the_beginning_of_an_id_names_a_call_on_the_command_line_only(routes: Routes) -> None:
    stored = routes.journal.files.put(1, b"x", ".png")
    enter(routes.journal, "a" * 32, 100.0, pictures=(stored,))
    assert routes.http.get(f"/calls/{'a' * 32}/pictures/1").content == b"x"
    assert routes.http.get("/calls/aaaaaaaa/pictures/1").status_code == 404


def test_half_a_letter_spoils_no_page(routes: Routes) -> None:
    """Prompts may be cut in the middle of a surrogate pair, which no database keeps."""
    enter(routes.journal, "a" * 32, 100.0, parameters={"prompt": "a kite \ud83e"})
    assert routes.get("/calls")["calls"][0]["prompt"] == "a kite \ufffd"


def test_what_is_running_is_on_no_page(routes: Routes) -> None:
    for number in range(12):
        enter(routes.journal, f"{number:032x}", 1000.0 + number)
    journal = routes.journal
    locks = []
    for number, moment in enumerate((1000.5, 1011.1, 1011.2, 1011.3)):
        call = Call(f"{number:04x}" * 16, "https://x.test/v1", "images/edits", "m", sent_at=moment)
        locks.append(journal.lock(call.key))
        assert locks[-1].acquire()
        journal.begin(call, Caller("run"), Limits(), None)
    # Nobody waits for this one: whoever did was killed.
    lost = Call("f" * 64, "https://x.test/v1", "images/edits", "m", sent_at=1000.2)
    journal.begin(lost, Caller("run"), Limits(), None)
    seen: list[str] = []
    before, more = "", True
    while more:
        page = routes.get(f"/calls?limit=2{before}")
        assert len(page["running"]) == 4 and page["calls"]
        seen += [call["id"] for call in page["calls"]]
        more, before = page["more"], f"&before={page['calls'][-1]['id']}"
    assert len(seen) == 13 and set(seen) == {*(f"{number:032x}" for number in range(12)), lost.id}
    for lock in locks:
        lock.release()
    assert routes.get("/calls")["running"] == []


def test_what_comes_and_goes_while_it_is_looked_at_is_never_uncertain(routes: Routes) -> None:
    journal, is_over = routes.journal, threading.Event()
    lost = Call("f" * 64, "https://x.test/v1", "images/edits", "m", sent_at=1000.2)
    journal.begin(lost, Caller("run"), Limits(), None)

    def come_and_go() -> None:
        for number in range(10_000):
            if is_over.is_set():
                return
            call = Call(f"{number:04x}" * 16, "https://x.test/v1", "images/edits", "m", sent_at=2000.0 + number)
            lock = journal.lock(call.key)
            assert lock.acquire()
            call = journal.begin(call, Caller("run"), Limits(), None)
            journal.settle(replace(call, state=State.DONE, charged=Charged.YES, cost=1))
            lock.release()

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        found = [(routes.get("/spend")["uncertain"], routes.get("/calls?limit=10")) for _ in range(60)]
    finally:
        is_over.set()
        thread.join()
    assert {uncertain for uncertain, _ in found} == {1}
    assert {call["id"] for _, page in found for call in page["calls"] if call["state"] == "sent"} <= {lost.id}


@pytest.mark.parametrize("query", ["limit=x", "limit=1e3", "limit=nan", "limit="])
def test_a_page_of_no_length_is_refused(routes: Routes, query: str) -> None:
    assert routes.get(f"/calls?{query}", 400)["error"]["code"] == "BAD_REQUEST"


@pytest.mark.parametrize("query", ["limit=0", "limit=-5", "limit=99999999999999999999", "before=nobody", "before=%00"])
def test_a_page_of_odd_length_or_place_is_a_page(routes: Routes, query: str) -> None:
    assert routes.get(f"/calls?{query}")["calls"] == []
