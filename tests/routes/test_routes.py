"""The pack's routes on a real server, with the sandbox behind them."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from aiohttp import web

from nodes.api import bundled, ended, read_models
from nodes.contract.nodes import PaidNode
from nodes.errors import Charged
from nodes.headless.commands.estimate import estimate_file
from nodes.headless.sandbox import Sandbox
from nodes.routes import MAX_BODY, install, install_in_comfyui, serving
from nodes.spend import Call, State
from nodes.table import NODE_CLASS_MAPPINGS
from tests.routes.page import GENERATE, GRAPH, HEADERS, KEY, OTHER, Routes
from tests.templates import twin


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


def test_a_body_that_is_no_json_or_too_large_is_refused(routes: Routes) -> None:
    headers = {**HEADERS, "Content-Type": "application/json"}
    assert routes.http.post("/settings", content=b'{"key": "secret', headers=headers).status_code == 400
    huge = b'{"prompt": "' + b"x" * MAX_BODY + b'"}'
    assert routes.http.post("/estimate", content=huge, headers=headers).status_code == 413


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
    assert (model["calls"], model["brought"]) == (1, 1)
    assert listed["nodes"]["LumenfallInpaint"] == {"modes": ["edit"], "images": 1, "mask": True}
    assert listed["nodes"]["LumenfallGenerate"] == {"modes": ["generate"], "images": 0, "mask": False}
    assert "LumenfallEstimate" not in listed["nodes"]


def test_models_that_have_ended_are_told_with_their_successors_but_not_offered(routes: Routes) -> None:
    for refresh in ("", "?refresh=true"):
        listed = routes.get(f"/models{refresh}")
        assert (listed["source"], listed["compiled"]) == (
            ("server", None) if refresh else ("bundled", str(bundled().compiled))
        )
        offered = {model["id"]: model for model in listed["models"]}
        for model in bundled().models:
            assert offered[model.id]["successors"] == list(model.successors)
        gone = {model["id"]: (model["ends"], model["successors"]) for model in listed["ended"]}
        assert gone == {model.id: (str(model.ends), list(model.successors)) for model in ended().models}
        assert not gone.keys() & offered.keys()


def test_the_estimate_is_a_dry_run(routes: Routes, locked: Sandbox) -> None:
    estimate = routes.post("/estimate", {"prompt": GRAPH})
    assert estimate["total"] == pytest.approx(0.053) and estimate["lines"][0]["source"] == "dry run"
    assert estimate["lines"][0]["title"] == "Kite" and not locked.bill
    routes.post("/settings", {"ask_above": 0.05})
    assert routes.post("/estimate", {"prompt": GRAPH})["ask_above"] == 0.05
    routes.post("/estimate", {"prompt": {"1": {"class_type": 5}}}, 400)
    routes.post("/estimate", {}, 400)


def test_under_a_name_of_a_tunnel_prices_are_told_and_settings_are_not(routes: Routes) -> None:
    tunnel = {"Host": "abc.tunnel.test", "Origin": "http://abc.tunnel.test", "X-Forwarded-For": "203.0.113.9"}
    estimate = routes.http.post("/estimate", json={"prompt": GRAPH}, headers=tunnel)
    assert estimate.json()["total"] == pytest.approx(0.053)
    assert routes.http.get("/models", headers=tunnel).json()["models"]
    for path in ("/settings", "/spend", "/balance", "/calls"):
        refused = routes.http.get(path, headers=tunnel)
        assert refused.status_code == 403 and "LUMENFALL_HOSTS=abc.tunnel.test" in refused.json()["error"]["hint"]
    assert routes.http.post("/settings", json={"key": OTHER}, headers=tunnel).status_code == 403


def test_wrong_json_is_not_quoted(routes: Routes) -> None:
    headers = {**HEADERS, "Content-Type": "application/json"}
    for body in (b'{"key": "lmnfl_typed', b"lmnfl_typed", b'{"key": ["lmnfl_typed"]}', b'{"key": "\xff lmnfl_typed"}'):
        for path in ("/settings", "/test", "/estimate"):
            answer = routes.http.post(path, content=body, headers=headers)
            assert answer.status_code == 400 and "typed" not in answer.text


def test_no_page_of_another_origin_gets_a_permission(routes: Routes) -> None:
    asked = {"Origin": "http://evil.test", "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "x-lumenfall, content-type"
    for path in ("/settings", "/test", "/estimate", "/models", "/calls/x/pictures/1"):
        for answer in (routes.http.options(path, headers=asked), routes.http.get(path, headers=asked)):
            assert answer.status_code in (403, 405)
            assert not [name for name in answer.headers if name.startswith("access-control")]


def test_every_answer_is_json_whatever_the_database_is(serve: Callable[..., Routes]) -> None:
    routes = serve()
    routes.data_dir.mkdir(parents=True)
    # A folder in its place is neither damaged nor readable.
    (routes.data_dir / "spend.db").mkdir()
    assert routes.get("/models")["models"] and routes.get("/settings")["store_used"] == 0
    for path in ("/spend", "/calls", f"/calls/{'a' * 32}/graph", f"/calls/{'a' * 32}/pictures/1"):
        assert routes.get(path, 502)["error"]["code"] == "STORE_UNUSABLE"


def test_a_price_that_is_no_number_does_not_spoil_the_list() -> None:
    entry = {"modality": "image", "id": "m", "starting_price": float("nan")}
    assert [(model.id, model.price) for model in read_models({"data": [entry]})] == [("m", None)]


def test_each_paid_node_says_what_it_needs(routes: Routes) -> None:
    listed = routes.get("/models")["nodes"]
    assert set(listed) == {name for name, node in NODE_CLASS_MAPPINGS.items() if issubclass(node, PaidNode)}
    for name, need in listed.items():
        required = NODE_CLASS_MAPPINGS[name].INPUT_TYPES()["required"]
        assert (need["images"], need["mask"]) == (int("image" in required), "mask" in required)
        assert any(set(need["modes"]) & set(model["modes"]) for model in routes.get("/models")["models"])


def test_the_time_of_a_model_is_the_median_of_the_users_own(routes: Routes) -> None:
    for number, seconds in enumerate((1.0, 2.0, 60.0)):
        stored = (routes.journal.files.put(1, b"x", ".png"),)
        call = Call("k" * 64, "https://x.test/v1", "images/generations", "flux.2-pro", pictures=stored)
        done = replace(call, id=f"{number:032x}", seconds=seconds, state=State.DONE, charged=Charged.YES)
        routes.journal.settle(done)
    (model,) = [model for model in routes.get("/models")["models"] if model["id"] == "flux.2-pro"]
    assert model["seconds"] == 2.0


def test_the_estimate_is_that_of_the_command_line(routes: Routes, monkeypatch: pytest.MonkeyPatch) -> None:
    file = twin("generate")
    monkeypatch.setenv("LUMENFALL_DATA_DIR", str(routes.data_dir))
    told = estimate_file(file, [], file.parent, in_sandbox=False).as_dict()
    assert told["total"] > 0
    asked = {"prompt": json.loads(file.read_text("utf-8"))}
    assert routes.post("/estimate", asked) == {**told, "ask_above": None}


def test_an_estimate_holds_nobody_up(serve: Callable[..., Routes], locked: Sandbox) -> None:
    """What a node does while it is priced is its own affair; the server answers others meanwhile."""
    answered: list[int] = []

    class Slow:
        FUNCTION = "load"

        @classmethod
        def INPUT_TYPES(cls) -> dict[str, Any]:
            return {"required": {}}

        def load(self) -> tuple[torch.Tensor]:
            answered.append(routes.http.get("/calls", timeout=20).status_code)
            return (torch.ones(1, 64, 64, 3),)

    routes = serve(LUMENFALL_BASE_URL=locked.base_url, LUMENFALL_API_KEY=KEY)
    routes.host._free_nodes["Slow"] = Slow
    edit = {"prompt": "red", "model": "gpt-image-2", "size": "64x64", "n": 1, "seed": 1, "image": ["2", 0]}
    prompt = {"1": {"class_type": "LumenfallEdit", "inputs": edit}, "2": {"class_type": "Slow", "inputs": {}}}
    estimate = routes.post("/estimate", {"prompt": prompt})
    assert answered == [200] and estimate["lines"][0]["source"] == "dry run" and not estimate["approximate"]


def test_a_stop_that_no_run_has_taken_yet_stops_no_estimate(routes: Routes) -> None:
    routes.host.stop()
    assert routes.post("/estimate", {"prompt": GRAPH})["total"] == pytest.approx(0.053)


def test_a_second_copy_of_the_pack_says_which_two_there_are(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A clone and what a manager installed lie in folders of different names, and ComfyUI loads both."""
    table = web.RouteTableDef()
    server = SimpleNamespace(PromptServer=SimpleNamespace(instance=SimpleNamespace(routes=table)))
    monkeypatch.setitem(sys.modules, "server", server)
    install_in_comfyui()
    once = len(table)
    assert once > 0 and "installed twice" not in caplog.text
    install_in_comfyui()
    root = str(Path(__file__).parents[2])
    assert len(table) == once and f"installed twice: {root} and {root}." in caplog.text


def test_the_log_says_what_to_call_the_folder(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """ComfyUI loads the nodes from any, and serves what belongs to them to its page from some only."""
    server = SimpleNamespace(PromptServer=SimpleNamespace(instance=SimpleNamespace(routes=web.RouteTableDef())))
    monkeypatch.setitem(sys.modules, "server", server)
    for name, told in (("comfyui-lumenfall", 0), ("my nodes", 1)):
        monkeypatch.setattr(serving, "__file__", str(tmp_path / name / "nodes" / "routes" / "serving.py"))
        install_in_comfyui()
        assert caplog.text.count("Rename the folder") == told
    assert "a folder called my nodes ComfyUI's page gets no prices, sidebar, settings" in caplog.text


def test_security_names_each_route() -> None:
    table = web.RouteTableDef()
    install(table)
    added = {
        (route.method, route.path.replace(":[0-9]{1,9}", "")) for route in table if isinstance(route, web.RouteDef)
    }
    page = (Path(__file__).parents[2] / "SECURITY.md").read_text(encoding="utf-8")
    named = set()
    for row in re.findall(r"^\| (`(?:GET|POST) .+?) \|", page, re.MULTILINE):
        method, *paths = re.findall(r"GET|POST|/[^`]+", row)
        named |= {(method, f"/lumenfall{path}") for path in paths}
    assert named == added


def test_loading_the_routes_loads_no_server() -> None:
    heavy = "aiohttp", "torch", "pydantic", "sqlalchemy", "httpx", "alembic"
    told = f"import sys, nodes.routes; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", told], capture_output=True, text=True).stdout.strip() == "[]"
