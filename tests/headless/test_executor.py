"""Running a graph: order, concurrency, failures, Stop."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any

import pytest
import torch

from nodes.errors import Charged, ServerFault
from nodes.headless.checks import build
from nodes.headless.executor import SPARE, Event, Result, execute
from nodes.headless.host import Headless
from nodes.host import current
from nodes.host.waiting import wait
from nodes.settings import Settings


class Fake:
    """Takes up to two values and gives one."""

    RETURN_TYPES: tuple[str, ...] = ("*",)
    FUNCTION = "go"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"optional": {"a": ("*",), "b": ("*",)}}


class Value(Fake):
    def go(self, a: Any = None, b: Any = None) -> tuple[Any]:
        return ([a, b],)


class Broken(Fake):
    def go(self, a: Any = None, b: Any = None) -> tuple[Any]:
        raise ServerFault("It broke.", request_id="r1", charged=Charged.YES)


class Save(Fake):
    """Shows what it got as its ui."""

    OUTPUT_NODE = True
    RETURN_TYPES = ()

    def go(self, a: Any = None, b: Any = None) -> dict[str, Any]:
        return {"ui": {"got": [a]}}


def prompt(**nodes: Any) -> dict[str, dict[str, Any]]:
    """id=(class, {inputs})"""
    return {node_id: {"class_type": kind, "inputs": inputs} for node_id, (kind, inputs) in nodes.items()}


def run(workflow: dict[str, Any], host: Headless | None = None, notify: Any = None, **classes: type[Any]) -> Result:
    table = {"Value": Value, "Broken": Broken, "Save": Save, **classes}

    async def go() -> Result:
        graph = await build(workflow, table)
        return await asyncio.wait_for(execute(graph, host or Headless(), notify=notify), timeout=10)

    return asyncio.run(go())


def test_values_flow_along_links() -> None:
    result = run(prompt(v=("Value", {"a": 1, "b": "x"}), s=("Save", {"a": ["v", 0]})))
    assert result.status == "success"
    assert result.ui == {"s": {"got": [[1, "x"]]}}


def test_independent_async_nodes_run_at_the_same_time() -> None:
    met: dict[str, asyncio.Event] = {}

    class Meets(Fake):
        async def go(self, a: str, b: str) -> tuple[str]:
            met.setdefault(a, asyncio.Event()).set()
            await met.setdefault(b, asyncio.Event()).wait()
            return (a,)

    result = run(
        prompt(
            one=("Meets", {"a": "left", "b": "right"}),
            two=("Meets", {"a": "right", "b": "left"}),
            s=("Save", {"a": ["one", 0], "b": ["two", 0]}),
        ),
        Meets=Meets,
    )
    assert result.ui == {"s": {"got": ["left"]}}


def test_a_failure_takes_its_descendants_and_spares_the_other_branch() -> None:
    failed = asyncio.Event()

    class Slow(Fake):
        async def go(self, a: Any = None, b: Any = None) -> tuple[str]:
            await failed.wait()
            return ("paid",)

    def notify(event: Event) -> None:
        states[event.node.id] = event.state
        if event.state == "failed":
            failed.set()

    states: dict[str, str] = {}
    result = run(
        prompt(
            bad=("Broken", {}),
            child=("Value", {"a": ["bad", 0]}),
            lost=("Save", {"a": ["child", 0]}),
            good=("Slow", {}),
            kept=("Save", {"a": ["good", 0]}),
        ),
        notify=notify,
        Slow=Slow,
    )
    assert result.status == "error"
    assert result.ui == {"kept": {"got": ["paid"]}}
    assert list(result.errors) == ["bad"]
    assert result.errors["bad"]["code"] == "INTERNAL_ERROR"
    assert result.errors["bad"]["request_id"] == "r1"
    assert result.errors["bad"]["charged"] == "charged"
    assert states == {"bad": "failed", "child": "skipped", "lost": "skipped", "good": "done", "kept": "done"}


def test_any_other_exception_is_a_failure_with_a_generic_code() -> None:
    class Divides(Fake):
        def go(self, a: Any = None, b: Any = None) -> tuple[float]:
            return (1 / 0,)

    result = run(prompt(d=("Divides", {}), s=("Save", {"a": ["d", 0]})), Divides=Divides)
    assert result.errors["d"]["code"] == "NODE_FAILED"
    assert result.errors["d"]["message"] == "ZeroDivisionError: division by zero"
    assert result.errors["d"]["charged"] is None


def test_a_cancellation_that_leaves_a_node_is_its_failure() -> None:
    class Leaks(Fake):
        async def go(self, a: Any = None, b: Any = None) -> tuple[()]:
            raise asyncio.CancelledError

    result = run(prompt(x=("Leaks", {}), lost=("Save", {"a": ["x", 0]}), kept=("Save", {"a": 1})), Leaks=Leaks)
    assert result.status == "error"
    assert result.errors["x"]["code"] == "NODE_CANCELLED"
    assert list(result.ui) == ["kept"]


def test_stop_interrupts_waiting_nodes_and_starts_no_others() -> None:
    host = Headless()

    class Waits(Fake):
        async def go(self, a: Any = None, b: Any = None) -> tuple[()]:
            host.stop()
            return await wait(asyncio.Event().wait(), current(), lambda: "")  # type: ignore[return-value]

    states: dict[str, str] = {}
    result = run(
        prompt(w=("Waits", {}), s=("Save", {"a": ["w", 0]})),
        host,
        lambda event: states.update({event.node.id: event.state}),
        Waits=Waits,
    )
    assert result.status == "interrupted"
    assert (result.errors, result.ui) == ({}, {})
    assert states == {"w": "stopped", "s": "stopped"}


def test_cancelling_the_run_cancels_the_nodes_and_waits_for_them() -> None:
    cleaned = []
    started = asyncio.Event()

    class Waits(Fake):
        async def go(self, a: Any = None, b: Any = None) -> tuple[()]:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                cleaned.append(True)
            return ()

    async def go() -> None:
        graph = await build(prompt(w=("Waits", {}), s=("Save", {"a": ["w", 0]})), {"Waits": Waits, "Save": Save})
        task = asyncio.create_task(execute(graph, Headless()))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, timeout=5)
        assert cleaned == [True]

    asyncio.run(go())


def test_hidden_inputs() -> None:
    class Curious(Save):
        @classmethod
        def INPUT_TYPES(cls) -> dict[str, Any]:
            return {"hidden": {"me": "UNIQUE_ID", "graph": "PROMPT", "png": "EXTRA_PNGINFO", "token": "AUTH_TOKEN"}}

        def go(self, **hidden: Any) -> dict[str, Any]:
            return {"ui": {"hidden": [hidden]}}

    workflow = prompt(c=("Curious", {}))

    async def go(sketch: dict[str, Any] | None) -> Any:
        graph = await build(workflow, {"Curious": Curious})
        return (await execute(graph, Headless(), workflow=sketch)).ui["c"]["hidden"][0]

    assert asyncio.run(go(None)) == {"me": "c", "graph": workflow, "png": {}}
    assert asyncio.run(go({"nodes": []}))["png"] == {"workflow": {"nodes": []}}


def test_each_node_has_its_own_instance_and_runs_once() -> None:
    instances: list[Any] = []

    class Counts(Fake):
        def __init__(self) -> None:
            instances.append(self)

        def go(self, a: Any = None, b: Any = None) -> tuple[int]:
            return (len(instances),)

    run(
        prompt(
            x=("Counts", {}),
            y=("Counts", {}),
            s=("Save", {"a": ["x", 0], "b": ["y", 0]}),
            t=("Save", {"a": ["x", 0]}),
        ),
        Counts=Counts,
    )
    assert len(instances) == 2


def test_nodes_run_in_inference_mode_under_the_host_and_say_their_own_progress() -> None:
    said = []
    host = Headless(on_progress=lambda node_id, text: said.append((node_id, text)))

    class Looks(Fake):
        async def go(self, a: Any = None, b: Any = None) -> tuple[Any]:
            before = (torch.is_inference_mode_enabled(), current() is host)
            await asyncio.create_task(self.speak(a))
            return ((*before, torch.is_inference_mode_enabled()),)

        async def speak(self, text: str) -> None:
            current().progress(text)

    workflow = prompt(
        x=("Looks", {"a": "ex"}), y=("Looks", {"a": "why"}), s=("Save", {"a": ["x", 0]}), t=("Save", {"a": ["y", 0]})
    )
    result = run(workflow, host, Looks=Looks)
    assert result.ui["s"]["got"] == [(True, True, True)]
    assert sorted(said) == [("x", "ex"), ("y", "why")]
    assert not torch.is_inference_mode_enabled()


def test_an_output_that_was_left_out_is_none() -> None:
    class Short(Fake):
        RETURN_TYPES = ("*", "*")

        def go(self, a: Any = None, b: Any = None) -> tuple[int]:
            return (1,)

    assert run(prompt(x=("Short", {}), s=("Save", {"a": ["x", 1]})), Short=Short).ui["s"] == {"got": [None]}


@pytest.mark.parametrize(
    ("costs", "cost", "currency"),
    [
        ([(0.1, "USD"), (0.2, "USD"), (None, None)], 0.3, "USD"),
        ([(None, None)], None, None),
        ([(0.0, "USD")], 0.0, "USD"),
        ([(1.0, "USD"), (1.0, "EUR")], None, None),
        ([], None, None),
    ],
)
def test_the_cost_is_the_sum_of_what_is_known(costs: Any, cost: float | None, currency: str | None) -> None:
    ui = {str(n): {"lumenfall": [{"cost": c, "currency": unit}]} for n, (c, unit) in enumerate(costs)}
    result = Result("success", ui, {}, 1.0)
    assert result.cost == pytest.approx(cost)
    assert result.currency == currency


class Listing(Fake):
    RETURN_TYPES = ("*", "*")
    OUTPUT_IS_LIST = (True, False)

    def go(self, a: Any = None, b: Any = None) -> Any:
        return ["x", "y", "z"], "whole"


class Pair(Fake):
    OUTPUT_NODE = True

    def go(self, a: Any = None, b: Any = None) -> Any:
        return {"ui": {"got": [(a, b)]}}


def test_what_follows_a_list_runs_once_for_each_of_its_items_and_what_it_shows_is_joined() -> None:
    graph = prompt(l=("Listing", {}), p=("Pair", {"a": ["l", 0], "b": ["l", 1]}))
    result = run(graph, Listing=Listing, Pair=Pair)
    assert result.ui["p"] == {"got": [("x", "whole"), ("y", "whole"), ("z", "whole")]}


def test_a_node_that_asks_for_lists_gets_them_whole() -> None:
    class Taking(Pair):
        INPUT_IS_LIST = True

    result = run(prompt(l=("Listing", {}), p=("Taking", {"a": ["l", 0], "b": 1})), Listing=Listing, Taking=Taking)
    assert result.ui["p"] == {"got": [(["x", "y", "z"], [1])]}


class Large:
    """What takes memory, and tells whether it still does."""

    alive: weakref.WeakSet[Large] = weakref.WeakSet()

    def __init__(self) -> None:
        self.alive.add(self)


def test_what_a_node_made_is_let_go_of_when_its_last_reader_has_ended() -> None:
    most = 0

    class Makes(Fake):
        async def go(self, a: Any = None, b: Any = None) -> tuple[Large]:
            await asyncio.sleep(0)
            return (Large(),)

    class Looks(Save):
        def go(self, a: Any = None, b: Any = None) -> dict[str, Any]:
            nonlocal most
            most = max(most, len(Large.alive))
            return {}

    makers = {f"m{number}": ("Makes", {}) for number in range(100)}
    readers = {f"r{number}": ("Looks", {"a": [f"m{number}", 0], "b": ["m0", 0]}) for number in range(100)}
    assert run(prompt(**makers, **readers), Makes=Makes, Looks=Looks).status == "success"
    # As many as may run at once, and the one that all of them read.
    assert most <= Settings().parallel + SPARE + 1


def test_a_failure_keeps_nothing_that_was_at_hand_where_it_happened() -> None:
    class Fails(Save):
        def go(self, a: Any = None, b: Any = None) -> dict[str, Any]:
            picture = Large()
            raise ServerFault(f"It broke with {picture}.")

    events: list[Event] = []
    run(prompt(m=("Value", {}), f=("Fails", {"a": ["m", 0]})), notify=events.append, Fails=Fails)
    assert events[-1].raised is not None and not Large.alive
