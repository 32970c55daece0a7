"""Estimate Cost, as a node of a graph."""

from __future__ import annotations

import asyncio
import json
import math
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from nodes.estimate import Estimate
from nodes.headless.checks import build
from nodes.headless.core_nodes import free, table
from nodes.headless.executor import Result, execute
from nodes.headless.folders import Folders
from nodes.headless.host import Headless
from nodes.headless.sandbox import Sandbox
from nodes.host import Interrupted, use
from nodes.host.comfyui import ComfyUI
from nodes.pricing.estimate import estimate_graph
from nodes.table import NODE_CLASS_MAPPINGS
from tests.purchase.test_ask import until

GENERATE = {"prompt": "a cat", "model": "gpt-image-2", "size": "64x64", "n": 2, "seed": 0}
GRAPH: dict[str, Any] = {
    "paid": {"class_type": "LumenfallGenerate", "inputs": GENERATE},
    "estimate": {"class_type": "LumenfallEstimate", "inputs": {}},
}


class Bench:
    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        nodes = table(Folders(folder, folder, folder))
        self._table = {**nodes, **NODE_CLASS_MAPPINGS}
        self.said: list[tuple[str, str]] = []
        overrides = {"LUMENFALL_BASE_URL": sandbox.base_url}
        self.host = Headless(overrides, lambda *told: self.said.append(told), nodes=self._table, free_nodes=free(nodes))

    def run(self, prompt: dict[str, Any]) -> Result:
        async def go() -> Result:
            return await execute(await build(prompt, self._table), self.host)

        return asyncio.run(go())


@pytest.fixture
def bench(sandbox: Sandbox, tmp_path: Path) -> Bench:
    return Bench(sandbox, tmp_path)


def test_run_alone_it_tells_what_the_graph_would_cost_and_buys_nothing(bench: Bench, sandbox: Sandbox) -> None:
    shown = bench.run(GRAPH).ui["estimate"]
    (found,), (text,) = shown["lumenfall_estimate"], shown["text"]
    assert found["total"] == pytest.approx(0.106)
    assert [line["node_id"] for line in found["lines"]] == ["paid"]
    assert "Total: about 0.106 USD for 2 pictures" in text
    assert bench.said[-1] == ("estimate", "about 0.106 USD for 2 pictures")
    assert sandbox.bill == []


def test_its_outputs_are_the_total_and_the_report(bench: Bench) -> None:
    with use(bench.host):
        made = asyncio.run(Estimate().estimate(graph=GRAPH))
    total, report = made["result"]
    assert total == pytest.approx(0.106)
    assert json.loads(report) == made["ui"]["lumenfall_estimate"][0]


def test_the_nodes_it_looks_at_say_nothing(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.latency = 0.3
    broken = {"class_type": "LumenfallGenerate", "inputs": {**GENERATE, "prompt": " "}}
    bench.run({**GRAPH, "bad": broken})
    lines = [text for _, text in bench.said]
    assert lines[:-1] and all(text.startswith("estimating") for text in lines[:-1])
    assert lines[-1] == "about 0.106 USD for 2 pictures, 1 node not known"


def test_it_runs_anew_each_time_and_needs_nothing() -> None:
    assert Estimate.OUTPUT_NODE is True and Estimate.INPUT_TYPES()["required"] == {}
    assert math.isnan(Estimate.IS_CHANGED(graph=GRAPH))  # ComfyUI hands the hidden inputs over too


def test_stop_ends_it_at_once(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.latency = 30.0
    stopped: list[float] = []

    def press_stop() -> None:
        until(lambda: any(one.method == "POST" for one in sandbox.requests))
        stopped.append(time.monotonic())
        bench.host.stop()

    thread = threading.Thread(target=press_stop)
    thread.start()
    with use(bench.host), pytest.raises(Interrupted):
        asyncio.run(Estimate().estimate(graph=GRAPH))
    assert time.monotonic() - stopped[0] < 2
    thread.join()
    assert bench.run(GRAPH).status == "interrupted"


def test_a_cancellation_from_outside_leaves_it_as_an_interruption(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.latency = 30.0

    async def cancelled() -> BaseException | None:
        task = asyncio.create_task(Estimate().estimate(graph=GRAPH))
        await asyncio.to_thread(until, lambda: any(one.method == "POST" for one in sandbox.requests))
        task.cancel()
        done, _ = await asyncio.wait({task})
        assert not next(iter(done)).cancelled(), "a CancelledError would end ComfyUI's worker thread"
        return task.exception()

    with use(bench.host):
        assert isinstance(asyncio.run(cancelled()), Interrupted)


def test_in_comfyui_only_loaders_of_the_known_contract_are_run(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old:
        FUNCTION = "load_image"

    class New:
        FUNCTION = "EXECUTE_NORMALIZED"

        @classmethod
        def define_schema(cls) -> None: ...

    class Theirs:
        NODE_CLASS_MAPPINGS = {"LoadImage": Old, "LoadImageMask": New, "KSampler": Old}

    class Server:
        nodes = Theirs

    monkeypatch.setitem(__import__("sys").modules, "server", Server)
    # Another pack's own, of the same name.
    monkeypatch.setitem(__import__("sys").modules, "nodes", object())
    assert ComfyUI().free_nodes() == {"LoadImage": Old}
    assert ComfyUI().node_classes() is Theirs.NODE_CLASS_MAPPINGS


def test_the_nodes_of_other_packs_are_nothing_to_an_estimate(bench: Bench) -> None:
    class Theirs:
        MODES = ("generate",)

    bench.host._nodes |= {"Theirs": Theirs, "no class": lambda: None}
    theirs = {name: {"class_type": name, "inputs": {}} for name in ("Theirs", "no class")}
    with use(bench.host):
        lines = asyncio.run(estimate_graph(GRAPH | theirs)).lines
    assert [line.node_id for line in lines] == ["paid"]
