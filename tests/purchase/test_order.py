"""The key is what the user asked: whatever else is known or not, equal inputs are one purchase."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import pytest
import torch

from nodes.api import canonical, catalogue
from nodes.errors import Charged
from nodes.headless.host import Headless
from nodes.headless.sandbox import FAULTS, Fault, Sandbox
from nodes.host import use
from nodes.pixels import central_square, encode, fingerprint
from nodes.spend import Call, Journal, State
from nodes.variations import INSTRUCTIONS
from tests.conftest import Nodes, Outcome

MODEL = "sandbox-image"
"""Not in the bundled list: that it takes a seed is known from the server only."""

ALIAS = "sandbox-picture"


def scene(height: int, width: int) -> torch.Tensor:
    return torch.rand(1, height, width, 3, generator=torch.Generator().manual_seed(1))


def strip(height: int, width: int) -> torch.Tensor:
    """A mask that is wide, so that its crop depends on the shapes that the model is known to serve."""
    mask = torch.zeros(1, height, width)
    mask[:, height // 2 : height // 2 + 40, width // 4 : width // 4 + 300] = 1.0
    return mask


RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "generate": ("LumenfallGenerate", {"prompt": "a cat", "size": "64x64", "model": MODEL}),
    "edit": ("LumenfallEdit", {"prompt": "a hat", "image": scene(64, 64), "model": MODEL}),
    "zoomed": (
        "LumenfallInpaint",
        {
            **{"image": scene(500, 900), "mask": strip(500, 900), "prompt": "a hat", "region": "zoom to mask"},
            **{"model": "flux.2-klein-4b"},
        },
    ),
    "variations": ("LumenfallVariations", {"image": scene(64, 80), "model": "sandbox-variations"}),
    "outpaint": ("LumenfallOutpaint", {"image": scene(64, 64), "left": 16, "model": MODEL}),
}


def list_fails(fault: str) -> Callable[[Sandbox], None]:
    return lambda sandbox: sandbox.fail_next(dataclasses.replace(FAULTS[fault], endpoint="models"))


def schema_fails(fault: str) -> Callable[[Sandbox], None]:
    return lambda sandbox: sandbox.fail_next(dataclasses.replace(FAULTS[fault], endpoint="models/"))


def list_is_short(sandbox: Sandbox) -> None:
    """The list names only one model any more, as while a server is being changed."""
    sandbox._offer.models = sandbox._offer.models[:1]


HICCUPS: dict[str, Callable[[Sandbox], None]] = {
    "list 500": list_fails("status-500"),
    "list 429": list_fails("retry-after-long"),
    "list cut": list_fails("cut-json"),
    "schema 500": schema_fails("status-500"),
    "schema 429": schema_fails("retry-after-long"),
    "schema is a page": schema_fails("text-success"),
    "list is short": list_is_short,
}


@pytest.mark.parametrize(
    ("run", "hiccup"),
    [
        *(("generate", hiccup) for hiccup in HICCUPS),
        *((run, hiccup) for run in RUNS if run != "generate" for hiccup in ("list 500", "list is short")),
    ],
)
def test_a_hiccup_of_what_is_free_buys_nothing_again(nodes: Nodes, sandbox: Sandbox, run: str, hiccup: str) -> None:
    node, inputs = RUNS[run]
    first = nodes(node, **inputs)
    HICCUPS[hiccup](sandbox)
    again = nodes(node, **inputs)
    assert len(sandbox.bill) == 1 and again.report["replayed"]
    assert torch.equal(again.images, first.images) and torch.equal(again.mask, first.mask)


@pytest.mark.parametrize("run", ["generate", "edit", "outpaint"])
def test_what_was_bought_during_the_hiccup_is_not_bought_after_it(nodes: Nodes, sandbox: Sandbox, run: str) -> None:
    node, inputs = RUNS[run]
    list_fails("status-500")(sandbox)
    first = nodes(node, **inputs)
    catalogue._failures.clear()
    again = nodes(node, **inputs)
    assert len(sandbox.bill) == 1 and torch.equal(again.images, first.images)


@pytest.mark.parametrize("url", ["HTTP://127.0.0.1", "http://localhost", "http://LOCALHOST"])
def test_the_spelling_of_the_address_does_not_count(nodes: Nodes, sandbox: Sandbox, url: str) -> None:
    node, inputs = RUNS["generate"]
    nodes(node, **inputs)
    parts = urlsplit(sandbox.base_url)
    elsewhere = Nodes(Headless({"LUMENFALL_BASE_URL": f"{url}:{parts.port}{parts.path}/"}))
    assert elsewhere(node, **inputs).report["replayed"] and len(sandbox.bill) == 1


def options(**parameters: Any) -> dict[str, Any]:
    return {
        "options": {"model": "", "parameters": parameters, "on_failure": "stop", "too_large": "refuse"},
    }


@pytest.mark.parametrize(
    "parameters",
    [{"response_format": "b64_json"}, {"response_format": "url"}, {"user": "me"}],
    ids=["base64", "url", "user"],
)
def test_how_a_picture_travels_does_not_count(nodes: Nodes, sandbox: Sandbox, parameters: dict[str, Any]) -> None:
    node, inputs = RUNS["generate"]
    first = nodes(node, **inputs, **options(**parameters))
    assert torch.equal(nodes(node, **inputs).images, first.images) and len(sandbox.bill) == 1


@pytest.mark.parametrize("parameters", [{"output_format": "jpeg"}, {"cfg_scale": 2}, {"quality": "low"}])
def test_what_changes_the_picture_counts(nodes: Nodes, sandbox: Sandbox, parameters: dict[str, Any]) -> None:
    node, inputs = RUNS["generate"]
    nodes(node, **inputs)
    assert not nodes(node, **inputs, **options(**parameters)).report["replayed"] and len(sandbox.bill) == 2


@pytest.mark.parametrize(
    ("run", "first", "second"),
    [
        ("zoomed", {"context": 1}, {"context": 2}),
        ("variations", {"similarity": 0.2}, {"similarity": 0.9}),
        ("outpaint", {"feather": 2}, {"feather": 30}),
    ],
)
def test_a_parameter_with_the_name_of_an_input_counts(
    nodes: Nodes, sandbox: Sandbox, run: str, first: dict[str, Any], second: dict[str, Any]
) -> None:
    node, inputs = RUNS[run]
    nodes(node, **inputs, **options(**first))
    assert not nodes(node, **inputs, **options(**second)).report["replayed"] and len(sandbox.bill) == 2


def test_4_is_4_0_wherever_it_stands(nodes: Nodes, sandbox: Sandbox) -> None:
    node, inputs = RUNS["generate"]
    nodes(node, **inputs, **options(loras=[{"scale": 1}], cfg={"a": 4}))
    assert nodes(node, **inputs, **options(loras=[{"scale": 1.0}], cfg={"a": 4.0})).report["replayed"]


def test_an_alias_that_has_moved_brings_no_other_models_picture(nodes: Nodes, sandbox: Sandbox) -> None:
    """flux-latest was one model when it was bought, and the list gives the name to another now."""
    node, inputs = RUNS["generate"]
    offer = sandbox._offer
    one, other = (dataclasses.replace(offer.models[place], aliases=()) for place in (0, 1))

    def give_alias_to(owner: Any) -> None:
        models = tuple(dataclasses.replace(it, aliases=("latest",)) if it is owner else it for it in (one, other))
        offer.models = models
        offer._by_name = {name: it for it in models for name in (it.id, *it.aliases)}

    give_alias_to(one)
    nodes(node, **{**inputs, "model": "latest"})
    give_alias_to(other)
    assert not nodes(node, **{**inputs, "model": other.id}).report["replayed"]
    assert nodes(node, **{**inputs, "model": "latest"}).report["replayed"], "what was typed is what counts"


@pytest.mark.parametrize(("first", "second"), [(MODEL, ALIAS), (ALIAS, MODEL), (f"fal/{MODEL}", f"fal/{ALIAS}")])
def test_an_alias_finds_what_was_bought_under_the_other_name(
    nodes: Nodes, sandbox: Sandbox, first: str, second: str
) -> None:
    node, inputs = RUNS["generate"]
    nodes(node, **{**inputs, "model": first})
    assert nodes(node, **{**inputs, "model": second}).report["replayed"] and len(sandbox.bill) == 1


def test_another_provider_makes_another_picture(nodes: Nodes, sandbox: Sandbox) -> None:
    node, inputs = RUNS["generate"]
    for provider in ("", "fal/", "replicate/"):
        nodes(node, **{**inputs, "model": f"{provider}{ALIAS}"})
    assert len(sandbox.bill) == 3


def test_two_names_in_flight_make_one_call(nodes: Nodes, sandbox: Sandbox) -> None:
    sandbox.latency = 0.3
    node, inputs = RUNS["generate"]

    async def both() -> list[Outcome]:
        return await asyncio.gather(*(nodes.start(node, **{**inputs, "model": name}) for name in (MODEL, ALIAS)))

    with use(nodes.host):
        one, two = asyncio.run(both())
    assert torch.equal(one.images, two.images) and len(sandbox.bill) == 1


def test_a_far_corner_of_the_picture_is_not_bought_again(nodes: Nodes, sandbox: Sandbox) -> None:
    node, inputs = RUNS["zoomed"]
    inputs = {**inputs, "mask": torch.zeros(1, 500, 900)}
    inputs["mask"][:, 230:260, 100:150] = 1.0
    nodes(node, **inputs)
    changed = inputs["image"].clone()
    changed[0, 499, 899] = 1.0 - changed[0, 499, 899].round()
    again = nodes(node, **{**inputs, "image": changed})
    assert len(sandbox.bill) == 1 and torch.equal(again.images[0, 499, 899], changed[0, 499, 899])
    changed[0, 240, 90] = 1.0 - changed[0, 240, 90].round()
    assert not nodes(node, **{**inputs, "image": changed}).report["replayed"]


@pytest.mark.parametrize(("ran", "replayed"), [("flux.2-max", False), ("fal/flux-2-max", False), ("fal/new", True)])
def test_only_another_known_model_contradicts_an_alias(
    nodes: Nodes, sandbox: Sandbox, ran: str, replayed: bool
) -> None:
    def said(text: str) -> str:
        body = json.loads(text)
        return json.dumps(body | {"metadata": {**body["metadata"], "executed_model": ran}})

    node, inputs = RUNS["generate"]
    sandbox.fail_next(Fault("another model", "", spoil_text=said))
    nodes(node, **{**inputs, "model": "flux-2-pro"})
    assert nodes(node, **{**inputs, "model": "flux.2-pro"}).report["replayed"] is replayed


# What earlier versions have bought


@pytest.mark.parametrize("prompt", ["a cat\r\na hat", "a cat\na hat"])
def test_a_prompt_that_was_bought_as_it_was_typed_is_found(nodes: Nodes, sandbox: Sandbox, prompt: str) -> None:
    node, inputs = RUNS["generate"]
    bought_before(nodes, sandbox, key_before(canonical(sandbox.base_url), "a cat\r\na hat"))
    assert nodes(node, **{**inputs, "prompt": prompt}).report["replayed"] and not sandbox.bill


def test_what_was_bought_at_a_path_as_it_was_written_is_found(nodes: Nodes, sandbox: Sandbox) -> None:
    node, inputs = RUNS["generate"]
    port = urlsplit(sandbox.base_url).port
    bought_before(nodes, sandbox, key_before(f"http://localhost:{port}/openai/./v1", "a cat"))
    elsewhere = Nodes(Headless({"LUMENFALL_BASE_URL": f"http://127.0.0.1:{port}/openai/./v1"}))
    assert elsewhere(node, **inputs).report["replayed"] and not sandbox.bill


def key_before(server: str, prompt: str) -> str:
    """Of the run "generate"."""
    content = {
        **{"version": 2, "server": server, "operation": "generations", "model": MODEL, "prompt": prompt},
        **{"parameters": {"size": "64x64"}, "seed": 0, "pictures": [], "mask": None, "node": {}},
    }
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def key_of_0_1(server: str, endpoint: str, fields: dict[str, Any], seed: int, pictures: list[str]) -> str:
    """As it computed it."""
    content = {
        **{"version": 1, "server": server, "endpoint": endpoint, "fields": fields, "seed": seed},
        **{"pictures": pictures, "mask": None},
    }
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def bought_by_0_1(
    nodes: Nodes, sandbox: Sandbox, fields: dict[str, Any], pictures: list[str], seed: int, endpoint: str = ""
) -> None:
    """A call that is done, with a picture, under the key that version 0.1 gave it."""
    endpoint = endpoint or ("images/edits" if pictures else "images/generations")
    bought_before(nodes, sandbox, key_of_0_1(sandbox.base_url, endpoint, fields, seed, pictures))


def bought_before(nodes: Nodes, sandbox: Sandbox, key: str) -> None:
    journal = Journal(nodes.host.data_dir())
    call = Call(key, sandbox.base_url, "images/generations", MODEL)
    stored = journal.files.put(1, encode(torch.zeros(64, 64, 3)), ".png")
    done = dataclasses.replace(call.with_picture(stored), state=State.DONE, charged=Charged.YES, cost=10**7)
    journal.open()
    journal.settle(done)


@pytest.mark.parametrize("seed_was_known", [True, False])
@pytest.mark.parametrize("way", [{"response_format": "url"}, {"response_format": "b64_json"}])
@pytest.mark.parametrize("run", ["generate", "edit"])
def test_what_an_earlier_version_bought_is_found(
    nodes: Nodes, sandbox: Sandbox, run: str, way: dict[str, str], seed_was_known: bool
) -> None:
    node, inputs = RUNS[run]
    fields = {"model": MODEL, "prompt": inputs["prompt"], **way}
    if "size" in inputs:
        fields["size"] = inputs["size"]
    if seed_was_known:
        fields["seed"] = 7 if run == "generate" else "7"
    pictures = [] if run == "generate" else [fingerprint(encode(inputs["image"][0]))]
    bought_by_0_1(nodes, sandbox, fields, pictures, seed=7)
    assert nodes(node, **inputs, seed=7).report["replayed"] and not sandbox.bill
    assert not nodes(node, **inputs, seed=8).report["replayed"]


@pytest.mark.parametrize("known_then", [True, False])
@pytest.mark.parametrize("known_now", [True, False])
def test_variations_are_found_whichever_way_they_came(
    nodes: Nodes, sandbox: Sandbox, known_then: bool, known_now: bool
) -> None:
    node, inputs = RUNS["variations"]
    picture = inputs["image"][0]
    fields: dict[str, Any] = {"model": inputs["model"], "response_format": "url"}
    if known_then:
        pictures = [fingerprint(encode(central_square(picture)))]
    else:
        fields["prompt"], pictures = INSTRUCTIONS["balanced"], [fingerprint(encode(picture))]
    endpoint = "images/variations" if known_then else "images/edits"
    bought_by_0_1(nodes, sandbox, fields, pictures, seed=0, endpoint=endpoint)
    if not known_now:
        list_fails("status-500")(sandbox)
    assert nodes(node, **inputs).report["replayed"] and not sandbox.bill


# What came in part, or is still under way


def test_what_came_in_part_can_be_recovered(nodes: Nodes, sandbox: Sandbox) -> None:
    node, inputs = RUNS["generate"]
    sandbox.fail_next("redirect-loop")
    made = nodes(node, **inputs, n=2)
    assert made.images.shape[0] == 1 and any("for nothing" in note for note in made.report["notes"])
    assert nodes("LumenfallRecover").images.shape[0] == 2 and len(sandbox.bill) == 1


def test_a_picture_that_vanishes_before_its_call_is_done_is_fetched_again(nodes: Nodes, sandbox: Sandbox) -> None:
    node, inputs = RUNS["generate"]
    sandbox.fail_next("redirect-loop")
    made = nodes(node, **inputs, n=2)
    (nodes.host.data_dir() / made.report["requests"][0]["originals"][0]).unlink()
    sandbox.fail_next("redirect-loop")
    nodes(node, **inputs, n=2)
    assert nodes(node, **inputs, n=2).images.shape[0] == 2 and len(sandbox.bill) == 1


def test_a_call_of_an_earlier_version_is_waited_for(
    nodes: Nodes, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process may still be at work: an unfinished call is finished by whoever has its lock."""
    node, inputs = RUNS["generate"]
    fields = {"model": MODEL, "prompt": inputs["prompt"], "size": "64x64", "response_format": "url"}
    journal = Journal(nodes.host.data_dir())
    key = key_of_0_1(sandbox.base_url, "images/generations", fields, 0, [])
    call = Call(key, sandbox.base_url, "images/generations", MODEL)
    journal.open()
    journal.settle(call)
    lock = journal.lock(key)
    assert lock.acquire()

    def finish(text: str) -> None:
        if "waiting for an equal request" in text and call.state is State.SENT:
            stored = journal.files.put(1, encode(torch.zeros(64, 64, 3)), ".png")
            journal.settle(dataclasses.replace(call.with_picture(stored), state=State.DONE, charged=Charged.YES))
            lock.release()

    monkeypatch.setattr(nodes.host, "progress", finish)
    assert nodes(node, **inputs).report["replayed"] and not sandbox.bill


def test_a_link_is_asked_where_the_picture_beside_it_is_cut(nodes: Nodes, sandbox: Sandbox) -> None:
    def with_half_a_picture(text: str) -> str:
        body = json.loads(text)
        half = base64.b64encode(encode(scene(64, 64)[0])[:200]).decode()
        return json.dumps(body | {"data": [{**entry, "b64_json": half} for entry in body["data"]]})

    node, inputs = RUNS["generate"]
    sandbox.fail_next(Fault("half a picture and a link", "", spoil_text=with_half_a_picture))
    first = nodes(node, **inputs)
    assert torch.equal(nodes(node, **inputs).images, first.images) and len(sandbox.bill) == 1
