"""Estimates of graphs: what they say is what the run then costs, and making them costs nothing."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import torch

from nodes.headless.checks import build
from nodes.headless.core_nodes import free, table
from nodes.headless.executor import execute
from nodes.headless.folders import Folders
from nodes.headless.host import Headless
from nodes.headless.sandbox import Sandbox
from nodes.headless.sandbox.log import Received
from nodes.host import use
from nodes.pricing.estimate import estimate_graph
from nodes.pricing.result import Estimate, Line
from nodes.spend import Journal
from nodes.spend.tables import calls, pictures
from nodes.table import NODE_CLASS_MAPPINGS
from tests.templates import twin

EXAMPLES = Path(__file__).parents[2] / "example_workflows"
PRICE = 0.053
"""What the sandbox bills for a picture of gpt-image-2."""


class Bench:
    """Estimates and runs graphs against the sandbox."""

    def __init__(self, base_url: str, output: Path) -> None:
        nodes = table(Folders(EXAMPLES / "input", output, output))
        self._table = {**nodes, **NODE_CLASS_MAPPINGS}
        self.said: list[str] = []
        overrides = {"LUMENFALL_BASE_URL": base_url}
        self.host = Headless(
            overrides, lambda node_id, text: self.said.append(text), nodes=self._table, free_nodes=free(nodes)
        )

    def estimate(self, prompt: dict[str, Any]) -> Estimate:
        with use(self.host), torch.inference_mode():
            return asyncio.run(estimate_graph(prompt))

    def line(self, prompt: dict[str, Any], node_id: str = "paid") -> Line:
        return next(line for line in self.estimate(prompt).lines if line.node_id == node_id)

    def run(self, prompt: dict[str, Any]) -> None:
        async def go() -> None:
            result = await execute(await build(prompt, self._table), self.host)
            assert result.status == "success", result.errors

        asyncio.run(go())


@pytest.fixture
def bench(sandbox: Sandbox, tmp_path: Path) -> Bench:
    return Bench(sandbox.base_url, tmp_path / "output")


@pytest.fixture
def elsewhere(sandbox: Sandbox, tmp_path: Path) -> Bench:
    """The same at a server that is no Lumenfall as far as can be told from its address."""
    return Bench(sandbox.base_url.replace("/openai/v1", "/v1"), tmp_path / "output")


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def generate(**inputs: Any) -> dict[str, Any]:
    return node("LumenfallGenerate", **{"prompt": "a cat", "model": "gpt-image-2", "size": "64x64", **inputs})


def colour(number: int, side: int = 64) -> dict[str, Any]:
    return node("EmptyImage", width=side, height=side, batch_size=1, color=number)


def vary(source: str, **inputs: Any) -> dict[str, Any]:
    return node("LumenfallVariations", image=[source, 0], model="gpt-image-2", **inputs)


def saved(prompt: dict[str, Any], *sources: str) -> dict[str, Any]:
    """``prompt`` with all inputs written out, as saved graphs have them, and something that wants its pictures."""
    full = {}
    for node_id, one in prompt.items():
        declared = NODE_CLASS_MAPPINGS.get(one["class_type"])
        inputs = declared.INPUT_TYPES()["required"] if declared else {}
        defaults = {name: spec[1]["default"] for name, spec in inputs.items() if "default" in spec[-1]}
        full[node_id] = {**one, "inputs": {**defaults, **one["inputs"]}}
    return {**full, **{f"save-{one}": node("PreviewImage", images=[one, 0]) for one in sources or ("paid",)}}


def posts(sandbox: Sandbox) -> list[Any]:
    return [one for one in sandbox.requests if one.method == "POST"]


def runs_here(path: Path) -> bool:
    known = {*table(Folders(path, path, path)), *NODE_CLASS_MAPPINGS}
    return all(one["class_type"] in known for one in json.loads(path.read_text(encoding="utf-8")).values())


RUNNABLE = [path for path in sorted((EXAMPLES / "api").glob("*.json")) if runs_here(path)]


# The estimate and the bill


@pytest.mark.parametrize("path", RUNNABLE, ids=lambda path: path.stem)
def test_an_estimate_is_what_the_run_then_costs(bench: Bench, sandbox: Sandbox, path: Path) -> None:
    prompt = json.loads(path.read_text(encoding="utf-8"))
    before = bench.estimate(prompt)
    assert sandbox.bill == [] and all(one.is_dry_run for one in posts(sandbox))
    # What a paid node hands on to the next is known once it has run.
    assert before.total > 0 and (before.unknown, before.approximate) == (0, path == twin("app-product"))
    assert {line.source for line in before.lines} == {"dry run"}

    bench.run(prompt)
    assert before.total == pytest.approx(float(sandbox.billed)) and before.currency == "USD"

    billed, after = len(sandbox.bill), bench.estimate(prompt)
    assert (after.total, after.unknown, after.approximate) == (0.0, 0, False)
    for line in after.lines:
        assert line.source == "store" and line.replayed == line.pictures > 0
    assert len(sandbox.bill) == billed


def test_of_a_batch_only_the_pictures_that_are_new_cost(bench: Bench, sandbox: Sandbox) -> None:
    colours = {"red": colour(0xFF0000), "green": colour(0x00FF00), "blue": colour(0x0000FF)}
    bench.run(saved({**colours, "paid": vary("green")}))
    batches = {"two": node("ImageBatch", image1=["red", 0], image2=["green", 0])}
    batches["three"] = node("ImageBatch", image1=["two", 0], image2=["blue", 0])
    prompt = saved({**colours, **batches, "paid": vary("three")})
    line = bench.line(prompt)
    assert (line.requests, line.pictures, line.replayed, line.source) == (3, 3, 1, "dry run")
    assert (
        not line.shared
        and not bench.line(
            saved({**colours, "twice": node("ImageBatch", image1=["red", 0], image2=["red", 0]), "paid": vary("twice")})
        ).shared
    )
    assert line.price == pytest.approx(2 * PRICE)
    bench.run(prompt)
    assert float(sandbox.billed) == pytest.approx(3 * PRICE)


def test_two_equal_nodes_are_paid_for_once(bench: Bench, sandbox: Sandbox) -> None:
    prompt = saved({"first": generate(n=2), "second": generate(n=2), "other": generate(seed=7)}, "first", "second")
    prompt["save-other"] = node("PreviewImage", images=["other", 0])
    estimate = bench.estimate(prompt)
    assert [line.price for line in estimate.lines] == pytest.approx([2 * PRICE, 0.0, PRICE])
    assert [line.replayed for line in estimate.lines] == [0, 2, 0]
    # The store has none of it yet: run alone, the second is paid.
    assert [line.shared for line in estimate.lines] == [0, 2, 0]
    bench.run(prompt)
    assert [line.shared for line in bench.estimate(prompt).lines] == [0, 0, 0]
    assert estimate.total == pytest.approx(float(sandbox.billed))


def test_what_hangs_on_pictures_from_the_store_is_exact(bench: Bench, sandbox: Sandbox) -> None:
    chain = {"made": generate(), "paid": vary("made")}
    before = bench.line(saved(chain))
    assert before.approximate and before.price == pytest.approx(PRICE)
    bench.run(saved({"made": generate()}, "made"))
    half = bench.line(saved(chain))
    assert not half.approximate and half.price == pytest.approx(PRICE)
    bench.run(saved(chain))
    after = bench.line(saved(chain))
    assert (after.approximate, after.price, after.source) == (False, 0.0, "store")
    assert len(sandbox.bill) == 2


def test_with_replay_off_pictures_are_paid_for_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = saved({"paid": generate()})
    bench.run(prompt)
    assert bench.line(prompt).price == 0.0
    monkeypatch.setenv("LUMENFALL_REPLAY", "false")
    line = bench.line(prompt)
    assert (line.price, line.replayed) == (pytest.approx(PRICE), 0)


def test_pictures_gone_from_the_store_are_paid_for_again(bench: Bench, sandbox: Sandbox) -> None:
    prompt = saved({"paid": generate()})
    bench.run(prompt)
    for path in (bench.host.data_dir() / "store").rglob("*.png"):
        path.unlink()
    sandbox._shelf.expire(next(iter(sandbox._shelf._media)))
    assert bench.line(prompt).price == pytest.approx(PRICE)
    bench.run(prompt)
    assert len(sandbox.bill) == 2


def test_pictures_gone_from_the_store_cost_nothing_while_their_links_live(bench: Bench, sandbox: Sandbox) -> None:
    prompt = saved({"paid": generate()})
    bench.run(prompt)
    for path in (bench.host.data_dir() / "store").rglob("*.png"):
        path.unlink()
    assert bench.line(prompt).price == 0.0
    bench.run(prompt)
    assert len(sandbox.bill) == 1


def test_an_answer_whose_pictures_are_still_to_be_fetched_is_paid_for(bench: Bench, sandbox: Sandbox) -> None:
    prompt = saved({"paid": generate(n=2), "next": vary("paid")})
    bench.run(saved({"paid": generate(n=2)}))
    with Journal(bench.host.data_dir()).open().write() as connection:
        connection.execute(sa.update(calls).values(state="answered"))
    shutil.rmtree(bench.host.data_dir() / "calls")  # which say that it is finished
    fetched = [one.endpoint for one in sandbox.requests].count("media/{name}")
    paid, following = bench.estimate(prompt).lines
    assert (paid.price, paid.replayed, paid.source) == (0.0, 2, "store") and following.approximate
    assert [one.endpoint for one in sandbox.requests].count("media/{name}") == fetched


def test_what_a_crash_kept_out_of_the_database_is_in_the_store_all_the_same(bench: Bench) -> None:
    prompt = saved({"paid": generate()})
    bench.run(prompt)
    with Journal(bench.host.data_dir()).open().write() as connection:
        connection.execute(sa.delete(pictures))
        connection.execute(sa.delete(calls))
    (record,) = (bench.host.data_dir() / "calls").glob("*/*.json")
    record.rename(bench.host.data_dir() / "calls" / "open" / record.name)
    assert bench.line(prompt).source == "store"


def test_what_was_sent_before_and_never_came_is_not_ordered_again(bench: Bench, sandbox: Sandbox) -> None:
    prompt = saved({"paid": generate()})
    sandbox.fail_next("reset-mid-body")
    with pytest.raises(AssertionError):
        bench.run(prompt)
    sent = len(posts(sandbox))
    line = bench.line(prompt)
    assert (line.price, line.pictures) == (0.0, 0) and "sent before" in line.notes[0]
    assert len(posts(sandbox)) == sent


# Making it costs nothing and leaves no trace


def rows(bench: Bench) -> list[Any]:
    with Journal(bench.host.data_dir()).open().read() as connection:
        return list(connection.execute(sa.select(calls.c.id, calls.c.state, calls.c.delivered_at, calls.c.used_at)))


def test_an_estimate_leaves_the_journal_as_it_was(bench: Bench, sandbox: Sandbox) -> None:
    prompt = saved({"made": generate(), "paid": vary("made")})
    bench.estimate(prompt)
    assert rows(bench) == [] and not (bench.host.data_dir() / "calls").exists()

    bench.run(prompt)
    journal = Journal(bench.host.data_dir())
    with journal.open().write() as connection:
        # As if both had come home after Stop: nobody has seen them yet.
        connection.execute(sa.update(calls).values(delivered_at=None))
    before = rows(bench)
    assert bench.estimate(prompt).total == 0.0
    assert rows(bench) == before and len(sandbox.bill) == 2


def test_a_folder_that_is_full_does_not_matter(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodes.spend.journal.LEAST_SPACE", 2**80)
    assert bench.line(saved({"paid": generate()})).error is None


# What cannot be told


def test_a_request_that_would_be_refused_is_a_line_with_the_reason(bench: Bench, sandbox: Sandbox) -> None:
    estimate = bench.estimate(saved({"paid": generate(prompt="something forbidden", size="72x72"), "good": generate()}))
    bad, good = estimate.lines
    assert bad.error is not None and bad.error["code"] == "CONTENT_POLICY_VIOLATION"
    assert (bad.model, bad.requests, bad.pictures, bad.price) == ("gpt-image-2", 1, 0, 0.0)
    assert good.error is None and estimate.total == good.price == pytest.approx(PRICE)
    assert estimate.unknown == 1 and "1 node not known" in estimate.summary
    assert sandbox.bill == []


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"prompt": ""}, "The prompt is empty."),
        ({"size": "large"}, "not understood"),
        ({"n": "many"}, "Its n is 'many', which does not read as INT."),
        ({"width": 64}, "Only one of width and height"),
        ({"prompt": ["nowhere", 0]}, "does not exist"),
        ({"options": ["paid", 0]}, "cycle"),
    ],
)
def test_a_wrong_input_is_the_error_of_its_line(bench: Bench, inputs: dict[str, Any], reason: str) -> None:
    estimate = bench.estimate({"paid": generate(**inputs), "good": generate()})
    assert estimate.lines[0].error is not None and reason in estimate.lines[0].error["message"]
    assert estimate.lines[1].price == pytest.approx(PRICE)


def test_what_a_run_would_refuse_with_nothing_sent_is_told_from_what_is_only_not_known(bench: Bench) -> None:
    estimate = bench.estimate(
        {
            "empty": generate(prompt=" "),
            "unlinked": node("LumenfallVariations", n=1),
            "guessed": generate(width=["nobody", 0], height=-1),
            "forbidden": generate(prompt="something forbidden"),
            "good": generate(),
            "nobody": node("NobodysNode"),
        }
    )
    assert all(line.error is not None for line in estimate.lines[:4])
    assert [line.refused for line in estimate.lines] == [True, True, False, False, False]
    assert [line["refused"] for line in estimate.as_dict()["lines"]] == [True, True, False, False, False]


def test_a_picture_that_cannot_be_loaded_is_the_error_of_what_needs_it(bench: Bench) -> None:
    line = bench.line({"load": node("LoadImage", image="absent.png"), "paid": vary("load")})
    assert line.error is not None and "LoadImage (node load)" in line.error["message"]


def test_widgets_that_are_missing_have_their_defaults(bench: Bench, sandbox: Sandbox) -> None:
    line = bench.line({"paid": node("LumenfallGenerate", prompt="a cat")})
    assert (
        line.error is None
        and line.model == NODE_CLASS_MAPPINGS["LumenfallGenerate"].INPUT_TYPES()["required"]["model"][1]["default"]
    )


@pytest.mark.parametrize("literal", ["3", 3.0, {"__value__": 3}])
def test_literals_are_read_as_comfyui_reads_them(bench: Bench, literal: Any) -> None:
    bench.run(saved({"paid": generate(n=3)}))
    assert bench.line(saved({"paid": generate(n=literal)})).source == "store"


def test_request_options_count(bench: Bench, sandbox: Sandbox) -> None:
    options = node("LumenfallOptions", model="flux.2-pro")
    line = bench.line({"options": options, "paid": generate(options=["options", 0])})
    assert line.model == "flux.2-pro" and line.price != pytest.approx(PRICE)
    assert posts(sandbox)[0].fields["model"] == "flux.2-pro"


@pytest.mark.parametrize(
    "linked",
    [
        lambda: node(
            "LumenfallInpaint", image=["local", 0], mask=["local", 1], prompt="a cat", model="gpt-image-2", size="auto"
        ),
        lambda: vary("local"),
        lambda: generate(prompt=["local", 0]),
        lambda: generate(seed=["local", 0], size=["local", 1]),
        lambda: generate(width=["local", 0], height=["local", 1]),
    ],
)
def test_what_only_a_run_can_tell_is_stood_in_for(bench: Bench, linked: Callable[[], dict[str, Any]]) -> None:
    prompt = {"local": node("KSampler", seed=1), "paid": linked(), "sure": generate()}
    stood_in, sure = bench.estimate(prompt).lines
    assert (stood_in.error, stood_in.approximate, stood_in.source) == (None, True, "dry run")
    assert stood_in.price == pytest.approx(PRICE) and not sure.approximate


def test_after_a_stand_in_everything_is_approximate_and_nothing_replayed(bench: Bench, sandbox: Sandbox) -> None:
    bench.run(saved({"grey": colour(0x808080, side=256), "paid": vary("grey")}))  # equal to what will stand in
    scaled = node("ImageScaleBy", image=["local", 0], upscale_method="area", scale_by=0.25)
    prompt = {"local": node("VAEDecode"), "scaled": scaled, "paid": vary("scaled"), "twin": vary("scaled")}
    paid, twin = bench.estimate(prompt).lines
    for line in (paid, twin):
        assert (line.approximate, line.replayed) == (True, 0) and line.price == pytest.approx(PRICE)
    assert sides(sandbox)[-1] == 256


def sides(sandbox: Sandbox) -> list[int]:
    """The widths of the pictures sent, without those of requests that had none."""
    sent = [file for one in posts(sandbox) for file in one.files.get("image", [])]
    return [int.from_bytes(png[16:20], "big") for png in sent]


@pytest.mark.parametrize(
    ("first", "width"), [(generate(size="96x64"), 96), (generate(size="auto"), 1024), (vary("small"), 80)]
)
def test_a_stand_in_has_the_size_that_was_asked_for(
    bench: Bench, sandbox: Sandbox, first: dict[str, Any], width: int
) -> None:
    bench.estimate({"small": colour(0, side=80), "first": first, "paid": vary("first", n=2)})
    assert sides(sandbox)[-1] == width


def test_what_cannot_even_be_guessed_is_said(bench: Bench) -> None:
    line = bench.line({"theirs": node("TheirOptions"), "paid": generate(options=["theirs", 0])})
    assert line.error is not None and "options comes from TheirOptions (node theirs)" in line.error["message"]


# Servers without a dry run


def test_without_a_dry_run_the_users_figure_counts(elsewhere: Bench, sandbox: Sandbox) -> None:
    elsewhere.host.data_dir().mkdir(parents=True)
    settings = {"prices": {"gpt-image-2": 0.07}}
    (elsewhere.host.data_dir() / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    estimate = elsewhere.estimate(
        {"figure": generate(n=3), "list": generate(model="flux.2-pro"), "nobody": generate(model="brand/new")}
    )
    assert [line.source for line in estimate.lines] == ["your figure", "list price", "unknown"]
    assert estimate.lines[0].price == pytest.approx(0.21) and estimate.lines[1].price > 0
    assert estimate.unknown == 1 and estimate.total == pytest.approx(0.21 + estimate.lines[1].price)
    assert posts(sandbox) == []


# What is read


def test_people_and_machines_read_the_same(bench: Bench) -> None:
    prompt = saved({"paid": generate()})
    bench.run(prompt)
    titled = {**generate(seed=1, n=3), "_meta": {"title": "Lighthouse"}}
    estimate = bench.estimate({**prompt, "7": titled})
    assert estimate.summary == "about 0.159 USD for 4 pictures, 1 replayed"
    first, second, total = estimate.text.splitlines()
    assert "LumenfallGenerate" in first and "store" in first
    assert second.split() == ["7", "Lighthouse", "gpt-image-2", "3", "pictures", "0.159", "USD", "dry", "run"]
    assert total == f"Total: {estimate.summary}"
    found = json.loads(json.dumps(estimate.as_dict()))
    assert (found["total"], found["currency"], found["unknown"]) == (pytest.approx(0.159), "USD", 0)
    assert found["lines"][1]["title"] == "Lighthouse" and found["lines"][0]["replayed"] == 1


def test_prices_in_another_currency_are_not_added_up() -> None:
    euros = Line("2", "b", source="dry run", price=2.0, currency="EUR")
    estimate = Estimate((Line("1", "a", source="dry run", price=1.0, currency="USD"), euros))
    assert (estimate.total, estimate.currency, estimate.unknown) == (1.0, "USD", 1)


def test_a_graph_without_paid_nodes_costs_nothing(bench: Bench, sandbox: Sandbox) -> None:
    estimate = bench.estimate({"c": colour(0)})
    assert (estimate.total, estimate.lines, estimate.text) == (0.0, (), "Total: about 0 USD for 0 pictures")
    assert sandbox.requests == []


def test_pictures_that_a_dry_run_has_bought_are_kept_for_the_run(
    bench: Bench, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that takes every dry run for an order."""
    prompt = saved({"paid": generate()})
    with monkeypatch.context() as patch:
        patch.setattr(Received, "is_dry_run", property(lambda _: False))
        error = bench.line(prompt).error
    assert error is not None and (error["code"], error["charged"]) == ("DRY_RUN_CHARGED", "charged")
    assert error["request_id"] == sandbox.bill[0].request_id and "for free" in error["hint"]
    bench.run(prompt)
    assert len(sandbox.bill) == 1


def test_what_was_lost_costs_nothing_unless_the_run_sends_it_again(
    bench: Bench, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = saved({"paid": generate()}, "paid")
    sandbox.fail_next("reset-before-headers")
    with pytest.raises(AssertionError, match="CONNECTION_FAILED"):
        bench.run(prompt)
    assert bench.line(prompt).price == 0.0 and "not sent again" in bench.line(prompt).notes[0]
    monkeypatch.setenv("LUMENFALL_REPLAY", "off")
    assert bench.line(prompt).price == PRICE


def test_a_key_in_a_title_is_in_no_estimate(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMENFALL_API_KEY", "lmnfl_key_abc.TOPSECRET")
    titled = {**generate(), "_meta": {"title": "A cat lmnfl_key_abc.TOPSECRET"}}
    estimate = bench.estimate(saved({"paid": titled}, "paid"))
    assert estimate.lines[0].title == "A cat ***" and "TOPSECRET" not in f"{estimate.text} {estimate.as_dict()}"
