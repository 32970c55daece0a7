"""Plans are free of I/O, and a run and an estimate answer the same one."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from nodes.api import Model, Server, bundled
from nodes.contract.nodes import PaidNode
from nodes.errors import InputError, LumenfallError
from nodes.headless.host import Headless
from nodes.host import use
from nodes.purchase import ask, quote
from nodes.purchase.order import Order, orders_of
from nodes.purchase.plan import Plan, Plans, Results, carry_out
from nodes.purchase.quote import Quote
from nodes.table import NODE_CLASS_MAPPINGS

PAID = {name: node for name, node in NODE_CLASS_MAPPINGS.items() if issubclass(node, PaidNode)}
SERVER = Server("http://127.0.0.1:1/openai/v1")


class Impure(BaseException):
    """Something reached for the network, the disk or another process. No Exception: nobody may swallow it."""


forbidding = threading.local()


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    reaching = event in ("open", "subprocess.Popen") or event.partition(".")[0] in ("socket", "os", "shutil", "sqlite3")
    if reaching and getattr(forbidding, "on", False):
        raise Impure(event, arguments)


sys.addaudithook(watch)  # it cannot be taken off again, only be told to let everything through


@contextlib.contextmanager
def nothing_reached() -> Iterator[None]:
    forbidding.on = True
    try:
        yield
    finally:
        forbidding.on = False


def inputs_of(node_id: str, **inputs: Any) -> dict[str, Any]:
    """Inputs that the node would be given: its defaults, and small pictures where it takes any."""
    types = PAID[node_id].INPUT_TYPES()
    defaults = {name: spec[1]["default"] for name, spec in types["required"].items() if "default" in spec[1]}
    mask = torch.zeros(1, 48, 64)
    mask[:, 10:30, 20:40] = 1.0
    pictures = {"image": torch.linspace(0, 1, 2 * 48 * 64 * 3).reshape(2, 48, 64, 3), "mask": mask}
    if node_id == "LumenfallCompare":
        pictures["image"] = pictures["image"][:1]
    taken = {name for group in ("required", "optional") for name in types[group]}
    given = {**defaults, **pictures, "prompt": "a red fox", **inputs}
    return {name: value for name, value in given.items() if name in taken}


def stood_in(orders: list[Order]) -> Results:
    deliveries = (quote._stand_in(order, int(order.request.parameters.get("n", 1)), SERVER) for order in orders)
    return Results(tuple(replace(delivery, index=index) for index, delivery in enumerate(deliveries)))


def plans_of(plan: Plan | Plans) -> tuple[Plan, ...]:
    return plan.plans if isinstance(plan, Plans) else (plan,)


def finished(plan: Plan | Plans, results: list[Results]) -> Any:
    outputs = [part.finish(result) for part, result in zip(plans_of(plan), results, strict=True)]
    return plan.combine(outputs) if isinstance(plan, Plans) else outputs[0]


def test_what_is_forbidden_is_noticed(tmp_path: Path) -> None:
    for reach in (lambda: (tmp_path / "x").write_text("x"), socket.socket, (tmp_path / "y").mkdir):
        with pytest.raises(Impure), nothing_reached():
            reach()


@pytest.mark.parametrize("region", ["whole picture", "zoom per island"])
@pytest.mark.parametrize("model", ["gpt-image-2", "dall-e-2"])
@pytest.mark.parametrize("node_id", PAID)
def test_a_plan_reaches_for_nothing(node_id: str, model: str, region: str) -> None:
    """From its inputs to its outputs, with the models of both ways of varying."""
    known = bundled().find(model) or Model(id=model)
    # A size that the canvas is enlarged to takes its time, and shows nothing more here.
    small = {"size": "256x256"} if node_id == "LumenfallOutpaint" else {}
    inputs = inputs_of(node_id, region=region, n=2, **small)
    # What is imported only when it is needed is read from the disk the first time.
    warm = PAID[node_id]().plan(**inputs)
    results = [stood_in(orders_of(part, SERVER, known)) for part in plans_of(warm)]
    finished(warm, results)
    with nothing_reached():
        plan = PAID[node_id]().plan(**inputs)
        requests = [list(part.requests(known)) for part in plans_of(plan)]
        for part in plans_of(plan):
            part.check()
            assert part.preview is None or len(part.preview) == 2
        outputs = finished(plan, results)
    assert all(requests) and len(outputs["result"]) == len(PAID[node_id].RETURN_TYPES)


def test_the_outputs_do_not_depend_on_whether_the_requests_were_made() -> None:
    """Nothing goes from one to the other but what came of them."""
    known = bundled().find("dall-e-2") or Model(id="dall-e-2")
    inputs = inputs_of("LumenfallVariations", image=torch.rand(1, 48, 64, 3))
    first, second = (PAID["LumenfallVariations"]().plan(**inputs) for _ in range(2))
    results = stood_in(orders_of(first, SERVER, known))
    assert first.finish(results)["ui"] == second.finish(results)["ui"]


SIDES = st.integers(17, 70)
CASES = {
    "LumenfallGenerate": {"size": st.sampled_from(["auto", "64x64", "16:9"]), "n": st.integers(1, 3)},
    "LumenfallInpaint": {
        "region": st.sampled_from(["whole picture", "zoom to mask", "zoom per island"]),
        "context": st.sampled_from([0.0, 0.5, 3.0]),
        "grow": st.integers(0, 9),
        "invert": st.booleans(),
    },
    "LumenfallVariations": {
        "similarity": st.sampled_from(["close", "balanced", "free"]),
        "prompt": st.sampled_from(["", "in winter"]),
    },
    "LumenfallEdit": {"n": st.integers(1, 2), "mask": st.just(None)},
    "LumenfallOutpaint": {
        "left": st.integers(1, 40),
        "aspect": st.sampled_from(["", "2:1", "16:9"]),
        "size": st.sampled_from(["256x256", "16:9", "auto"]),
    },
    "LumenfallUpscale": {"scale_factor": st.sampled_from([1.5, 2.0, 4.0])},
    "LumenfallCompare": {"more_models": st.sampled_from(["flux.2-max", "flux.2-max unheard-of"])},
}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_an_estimate_prices_the_very_requests_that_a_run_sends(
    data: st.DataObject, host: Headless, monkeypatch: pytest.MonkeyPatch
) -> None:
    node_id = data.draw(st.sampled_from(sorted(PAID)))
    drawn = data.draw(st.fixed_dictionaries(CASES[node_id]))
    model = data.draw(st.sampled_from(["gpt-image-2", "flux.2-pro", "dall-e-2"]))
    if node_id == "LumenfallUpscale":
        model = PAID[node_id].INPUT_TYPES()["required"]["model"][1]["default"]
    height, width = data.draw(SIDES), data.draw(SIDES)
    picture = torch.rand(1, height, width, 3, generator=torch.Generator().manual_seed(height * 100 + width))
    mask = torch.zeros(1, height, width)
    mask[:, 3:9, 2:8] = mask[:, -5:-2, -6:-3] = 1.0
    inputs = inputs_of(node_id, **{"image": picture, "mask": mask, "model": model, "seed": 7, **drawn})
    seen: dict[str, list[Order]] = {"ask": [], "quote": []}
    for module in (ask, quote):
        kept = seen[module.__name__.rpartition(".")[2]]

        def kept_orders(*arguments: Any, kept: list[Order] = kept) -> list[Order]:
            orders = orders_of(*arguments)
            kept += orders
            return orders

        monkeypatch.setattr(module, "orders_of", kept_orders)

    async def estimate_and_run() -> None:
        node = PAID[node_id]()
        await carry_out(node.plan(**inputs), Quote(set(), inputs_known=True).answer)
        with contextlib.suppress(LumenfallError):
            await node.run(**inputs)

    with use(host), torch.inference_mode():
        try:
            asyncio.run(estimate_and_run())
        except InputError as error:  # a picture that has the aspect already
            assume(error.code != "NOTHING_TO_DO")
            raise
    by_key = {name: sorted(orders, key=lambda order: order.key) for name, orders in seen.items()}
    assert by_key["quote"] and by_key["quote"] == by_key["ask"]


def test_pictures_that_do_not_belong_together_are_refused_by_a_run_and_not_by_an_estimate_on_stand_ins(
    host: Headless,
) -> None:
    inputs = inputs_of("LumenfallInpaint", mask=torch.ones(1, 48, 20))

    async def go() -> None:
        node = PAID["LumenfallInpaint"]()
        await carry_out(node.plan(**inputs), Quote(set(), inputs_known=False).answer)
        for answer in (node.run(**inputs), carry_out(node.plan(**inputs), Quote(set(), inputs_known=True).answer)):
            with pytest.raises(InputError, match="distorted"):
                await answer

    with use(host):
        asyncio.run(go())
