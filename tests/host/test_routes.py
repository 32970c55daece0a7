"""The pack's routes on a real server, with the sandbox behind them."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from aiohttp import web

from nodes.errors import Charged
from nodes.headless.host import Headless, running_node
from nodes.headless.sandbox import Sandbox, running
from nodes.host import Interrupted, use
from nodes.host.routes import MAX_BODY, install
from nodes.spend import Call, Journal, State, Stored
from nodes.table import NODE_CLASS_MAPPINGS

KEY = "lmnfl_routes01.the-secret-part-of-a-key"
OTHER = "lmnfl_routes02.another-secret-for-another"
HEADERS = {"X-Lumenfall": "1"}


class Routes:
    """The routes at ``url`` for a host with the private folder ``data_dir``."""

    def __init__(self, url: str, host: Headless) -> None:
        self.http = httpx.Client(base_url=f"{url}/lumenfall", headers=HEADERS, trust_env=False)
        self.host = host
        self.data_dir = host.data_dir()

    def get(self, path: str, status: int = 200) -> Any:
        answer = self.http.get(path)
        assert answer.status_code == status, answer.text
        assert answer.headers["cache-control"] == "no-store"
        return answer.json()

    def post(self, path: str, body: Any, status: int = 200) -> Any:
        answer = self.http.post(path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    @property
    def file(self) -> dict[str, Any]:
        return dict(json.loads((self.data_dir / "settings.json").read_text("utf-8")))

    @property
    def journal(self) -> Journal:
        return Journal(self.data_dir)

    def run(self, node_id: str, graph: dict[str, Any], **inputs: Any) -> None:
        """Run a node of a graph, as the executor does."""
        node = NODE_CLASS_MAPPINGS[node_id]

        async def go() -> None:
            running_node.set("1")
            await getattr(node(), node.FUNCTION)(**inputs, graph=graph, png_info={})

        with use(self.host), torch.inference_mode():
            asyncio.run(go())


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Routes]]:
    """Starts a server for a host with these environment variables."""
    stops: list[Callable[[], None]] = []

    def start(**overrides: str | None) -> Routes:
        host = Headless({"LUMENFALL_DATA_DIR": str(tmp_path / "private"), **overrides})
        started = threading.Event()
        address: list[Any] = []

        async def live() -> None:
            table = web.RouteTableDef()
            install(table, lambda: host)
            app = web.Application(client_max_size=1 << 30)
            app.add_routes(table)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            leave = asyncio.Event()
            address.extend([runner.addresses[0][1], asyncio.get_running_loop(), leave])
            started.set()
            await leave.wait()
            await runner.cleanup()

        thread = threading.Thread(target=lambda: asyncio.run(live()))
        thread.start()
        started.wait(30)
        port, loop, leave = address
        routes = Routes(f"http://127.0.0.1:{port}", host)

        def stop() -> None:
            routes.http.close()
            loop.call_soon_threadsafe(leave.set)
            thread.join(30)

        stops.append(stop)
        return routes

    yield start
    for stop in stops:
        stop()


@pytest.fixture
def locked() -> Iterator[Sandbox]:
    with running(api_key=KEY) as sandbox:
        yield sandbox


@pytest.fixture
def routes(serve: Callable[..., Routes], locked: Sandbox) -> Routes:
    """Routes whose settings name the sandbox and its key."""
    started = serve()
    started.post("/settings", {"base_url": locked.base_url, "key": KEY})
    return started


GENERATE = {"prompt": "a kite", "model": "gpt-image-2", "size": "64x64", "n": 1, "seed": 1}
GRAPH = {
    "1": {"class_type": "LumenfallGenerate", "inputs": {**GENERATE, "options": ["2", 0]}, "_meta": {"title": "Kite"}},
    "2": {"class_type": "LumenfallOptions", "inputs": {"quality": "low"}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}},
}


def test_the_key_goes_in_and_out_of_nothing(routes: Routes, locked: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown = routes.get("/settings")
    assert shown["key"] == {
        "set": True,
        "masked": "lmnfl_ro...-key",
        "source": "settings",
        "host": locked.base_url[7:-10],
    }
    assert shown["base_url"] == {"value": locked.base_url, "source": "settings"}
    assert routes.post("/test", {})["ok"] is True
    wrong = routes.post("/test", {"key": OTHER})
    assert wrong["ok"] is False and wrong["error"]["code"] == "AUTHENTICATION_FAILED"
    assert "api_key" in routes.file and routes.file["api_key"] == KEY
    routes.run("LumenfallGenerate", GRAPH, **{**GENERATE, "prompt": f"a sign with {KEY}"})
    (call,) = routes.get("/calls")["calls"]
    paths = ("/models", "/settings", "/spend", "/balance", "/calls", f"/calls/{call['id']}/graph")
    told = [routes.http.get(path).text for path in paths] + [caplog.text, str(wrong)]
    for text in told:
        assert KEY.partition(".")[2] not in text and OTHER.partition(".")[2] not in text


def test_the_settings_file_is_for_its_owner_only_and_keeps_what_others_wrote(serve: Callable[..., Routes]) -> None:
    routes = serve()
    routes.data_dir.mkdir(parents=True)
    path = routes.data_dir / "settings.json"
    path.write_text('{"prices": {"mine": 0.5}, "of_the_future": [1]}', encoding="utf-8")
    path.chmod(0o644)
    routes.post("/settings", {"limits": {"day": 2.5}, "parallel": 2, "on_failure": "keep", "warn_above": 1})
    assert path.stat().st_mode & 0o777 == 0o600
    assert routes.file == {
        "prices": {"mine": 0.5},
        "of_the_future": [1],
        "limits": {"day": 2.5},
        "parallel": 2,
        "on_failure": "keep",
        "warn_above": 1.0,
    }
    routes.post("/settings", {"prices": {"mine": None, "provider/other": 0.25}})
    (mine,) = [model for model in routes.get("/models")["models"] if model["id"] == "gpt-image-2"]
    assert routes.file["prices"] == {"provider/other": 0.25} and mine["figure"] is False
    shown = routes.post("/settings", {"limits": {"day": None}, "parallel": None})
    assert shown["limits"] == {"run": None, "day": None, "month": None} and shown["parallel"] == 4
    assert "limits" not in routes.file and routes.file["on_failure"] == "keep"


@pytest.mark.parametrize(
    "body",
    [
        {"limits": {"day": -1}},
        {"limits": {"week": 1}},
        {"parallel": 0},
        {"parallel": 17},
        {"parallel": "many"},
        {"prices": {"a slug": 1}},
        {"prices": {"slug": "cheap"}},
        {"store_gb": "NaN"},
        {"warn_above": "Infinity"},
        {"on_failure": "explode"},
        {"api_key": "x"},
        {"key": 7},
        {"key": "k" * 2000},
        {"key": "has a space in it"},
        {"base_url": "ftp://x"},
        {"base_url": "https://user:pass@x/v1"},
        [],
        "text",
    ],
)
def test_what_cannot_be_set_changes_nothing_and_is_not_quoted(routes: Routes, body: Any) -> None:
    before = routes.file
    error = routes.post("/settings", body, 400)["error"]
    assert error["message"] and routes.file == before
    assert "kkkk" not in str(error) and "has a space" not in str(error)


def test_a_body_that_is_no_json_or_too_large_is_refused(routes: Routes) -> None:
    headers = {**HEADERS, "Content-Type": "application/json"}
    assert routes.http.post("/settings", content=b'{"key": "secret', headers=headers).status_code == 400
    huge = b'{"prompt": "' + b"x" * MAX_BODY + b'"}'
    assert routes.http.post("/estimate", content=huge, headers=headers).status_code == 413


def test_a_key_stays_with_its_server(routes: Routes, locked: Sandbox) -> None:
    error = routes.post("/settings", {"base_url": "https://elsewhere.test/v1"}, 409)["error"]
    assert error["code"] == "KEY_NEEDED" and routes.file["base_url"] == locked.base_url
    assert routes.post("/settings", {"base_url": None}, 409)["error"]["code"] == "KEY_NEEDED"
    # The same server, written otherwise, is none of another.
    routes.post("/settings", {"base_url": f"{locked.base_url}/"})
    moved = routes.post("/settings", {"base_url": "https://elsewhere.test/v1", "key": OTHER})
    assert moved["key"]["set"] and moved["key"]["host"] == "elsewhere.test" and routes.file["api_key"] == OTHER
    gone = routes.post("/settings", {"base_url": None, "key": None})
    assert gone["base_url"]["source"] == "default" and gone["key"]["set"] is False
    assert "api_key" not in routes.file


def test_what_the_environment_decides_cannot_be_changed(serve: Callable[..., Routes]) -> None:
    routes = serve(LUMENFALL_LIMIT_DAY="3", LUMENFALL_API_KEY=KEY, LUMENFALL_PARALLEL="2")
    shown = routes.get("/settings")
    assert shown["locked"] == {
        "key": "LUMENFALL_API_KEY",
        "limits.day": "LUMENFALL_LIMIT_DAY",
        "parallel": "LUMENFALL_PARALLEL",
    }
    assert shown["limits"]["day"] == 3 and shown["parallel"] == 2 and shown["key"]["source"] == "environment"
    for body in ({"key": OTHER}, {"limits": {"day": 4}}, {"parallel": 3, "replay": False}):
        assert "LUMENFALL_" in routes.post("/settings", body, 409)["error"]["message"]
    assert not (routes.data_dir / "settings.json").exists()


def test_two_pages_that_save_at_once_lose_nothing(routes: Routes) -> None:
    bodies = [{"limits": {name: number}} for number in range(1, 5) for name in ("run", "day", "month")]
    bodies += [{"store_gb": 7}, {"warn_above": 2}, {"parallel": 3}]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda body: routes.post("/settings", body), bodies))
    assert set(routes.file["limits"]) == {"run", "day", "month"} and routes.file["api_key"] == KEY
    assert (routes.file["store_gb"], routes.file["warn_above"], routes.file["parallel"]) == (7, 2, 3)


def test_a_damaged_file_is_told_of_and_left_alone(serve: Callable[..., Routes]) -> None:
    routes = serve()
    routes.data_dir.mkdir(parents=True)
    (routes.data_dir / "settings.json").write_text('{"api_key": "half', encoding="utf-8")
    assert "settings.json" in routes.get("/settings", 400)["error"]["message"]
    routes.post("/settings", {"parallel": 2}, 400)
    assert (routes.data_dir / "settings.json").read_text("utf-8") == '{"api_key": "half'


def test_without_the_header_or_from_elsewhere_nothing_is_answered(routes: Routes) -> None:
    for headers in ({"X-Lumenfall": ""}, {"Origin": "http://evil.test"}, {"Host": "evil.test"}):
        answer = routes.http.get("/settings", headers=headers)
        assert answer.status_code == 403 and "lmnfl" not in answer.text
    preflight = routes.http.options("/settings", headers={"Origin": "http://evil.test"})
    assert preflight.status_code == 405
    assert not [name for name in preflight.headers if name.startswith("access-control")]


def test_without_a_key_or_a_folder_everything_answers(serve: Callable[..., Routes]) -> None:
    routes = serve()
    assert routes.get("/settings")["key"]["set"] is False
    assert routes.get("/models")["source"] == "bundled"
    assert routes.get("/balance")["amount"] is None
    assert routes.get("/spend")["today"] == 0 and len(routes.get("/spend")["days"]) == 30
    assert routes.get("/calls") == {"running": [], "calls": [], "more": False}
    tried = routes.post("/test", {})
    assert tried["ok"] is False and "Settings > Lumenfall" in tried["error"]["hint"]


def test_models_say_what_each_node_needs_and_how_long_each_took(routes: Routes) -> None:
    routes.run("LumenfallGenerate", GRAPH, **GENERATE)
    listed = routes.get("/models?refresh=true")
    assert listed["source"] == "server" and listed["failure"] is None
    (model,) = [model for model in listed["models"] if model["id"] == "gpt-image-2"]
    assert model["price"] == 0.053 and model["modes"] == ["edit", "generate"] and model["mask"] is True
    assert model["transparency"] is False and model["seconds"] is not None
    assert listed["nodes"]["LumenfallInpaint"] == {"modes": ["edit"], "images": 1, "mask": True}
    assert listed["nodes"]["LumenfallGenerate"] == {"modes": ["generate"], "images": 0, "mask": False}
    assert "LumenfallEstimate" not in listed["nodes"]


def test_a_call_is_listed_with_its_picture_and_its_node(routes: Routes) -> None:
    routes.run("LumenfallGenerate", GRAPH, **GENERATE)
    (call,) = routes.get("/calls")["calls"]
    assert (call["model"], call["cost"], call["prompt"], call["node_title"]) == ("gpt-image-2", 0.053, "a kite", "Kite")
    assert call["has_graph"] and call["recoverable"] and call["state"] == "done"
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


def enter(journal: Journal, call_id: str, moment: float, pictures: tuple[Stored, ...] = ()) -> None:
    call = Call("k" * 64, "https://x.test/v1", "images/generations", "m", id=call_id, sent_at=moment, pictures=pictures)
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
    for _ in range(200):
        found = routes.get("/calls")["running"]
        if found:
            break
        deadline.wait(0.05)
    assert [call["prompt"] for call in found] == ["a kite"] and found[0]["state"] == "sent"
    assert routes.get("/calls")["calls"] == []
    routes.host.stop()
    thread.join(30)


def test_the_estimate_is_a_dry_run(routes: Routes, locked: Sandbox) -> None:
    quote = routes.post("/estimate", {"prompt": GRAPH})
    assert quote["total"] == pytest.approx(0.053) and quote["lines"][0]["source"] == "dry run"
    assert quote["lines"][0]["title"] == "Kite" and not locked.bill
    routes.post("/estimate", {"prompt": {"1": {"class_type": 5}}}, 400)
    routes.post("/estimate", {}, 400)
