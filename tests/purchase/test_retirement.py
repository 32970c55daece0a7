"""Models that have ended or end soon: the user is told before anything is sent, and no other model is taken."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import torch

from nodes.api import bundled, ended
from nodes.errors import InvalidRequest, LumenfallError, ModelUnavailable
from nodes.headless.host import Headless
from nodes.headless.sandbox import Sandbox
from nodes.host import use
from nodes.pixels import encode
from nodes.pricing.estimate import estimate_graph
from tests.api.conftest import OddServer, odd_server
from tests.conftest import Nodes
from tests.contract.test_nodes import options

CAT = {"prompt": "a cat", "size": "64x64"}
# Of the real lists, so that no name is repeated here.
LEAVING = next(model for model in bundled().models if model.ends)
ENDED = next(model for model in ended().models if model.ends and model.ends < bundled().compiled)  # type: ignore[operator]


def orders(sandbox: Sandbox) -> list[str]:
    return [str(request.fields["model"]) for request in sandbox.requests if request.method == "POST"]


class Listening(logging.Handler):
    """What was logged, and how many orders there were by then."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__()
        self.heard: list[tuple[str, int]] = []
        self._sandbox = sandbox

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append((record.getMessage(), len(orders(self._sandbox))))


@pytest.mark.parametrize(
    "slug", [LEAVING.id, LEAVING.snapshots[0], f"openai/{LEAVING.id}", f"fal/{LEAVING.snapshots[0]}"]
)
def test_a_model_that_ends_is_told_of_first_and_then_used(nodes: Nodes, sandbox: Sandbox, slug: str) -> None:
    listening = Listening(sandbox)
    logger = logging.getLogger("nodes.purchase.ask")
    logger.addHandler(listening)
    try:
        made = nodes("LumenfallGenerate", **CAT, model=slug)
    finally:
        logger.removeHandler(listening)
    (told,) = (note for note in made.report["notes"] if "successor" in note)
    assert LEAVING.id in told and str(LEAVING.ends) in told and LEAVING.successors[0] in told
    assert listening.heard == [(told, 0)] and orders(sandbox) == [slug]


def test_the_node_says_it_while_it_waits(nodes: Nodes, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(nodes.host, "progress", lines.append)
    sandbox.latency = 0.5
    nodes("LumenfallGenerate", **CAT, model=LEAVING.id)
    assert any(line.startswith("waiting for") and LEAVING.successors[0] in line for line in lines)


@pytest.mark.parametrize("slug", [ENDED.id, f"openai/{ENDED.id}"])
def test_the_refusal_of_an_ended_model_names_its_successor(nodes: Nodes, sandbox: Sandbox, slug: str) -> None:
    with pytest.raises(ModelUnavailable) as caught:
        nodes("LumenfallGenerate", **CAT, model="gpt-image-2", options=options(model=slug))
    assert ENDED.successors[0] in caught.value.hint and str(ENDED.ends) in caught.value.hint
    assert orders(sandbox) == [slug], "the server decides"


def at(odd: OddServer, tmp_path: Path) -> Nodes:
    return Nodes(Headless({"LUMENFALL_BASE_URL": f"{odd.url}/v1", "LUMENFALL_DATA_DIR": str(tmp_path / "data")}))


def answering(models: Any, status: int, refusal: dict[str, Any]) -> Any:
    def answer(path: str) -> tuple[int, dict[str, str], bytes]:
        if path.endswith("/models"):
            return 200, {}, json.dumps({"data": models}).encode()
        return status, {}, json.dumps({"error": refusal}).encode()

    return answer


@pytest.mark.parametrize(
    ("status", "code", "kind"), [(404, "model_not_found", ModelUnavailable), (400, "invalid_value", InvalidRequest)]
)
def test_an_end_that_the_server_announced_explains_its_refusal(
    tmp_path: Path, status: int, code: str, kind: type[LumenfallError]
) -> None:
    tomorrow = (datetime.now(timezone.utc) + timedelta(days=1)).date()
    models = [{"id": "brand-new", "shutdown_date": tomorrow.isoformat()}]
    refusal = {"message": "brand-new is no value for model", "code": code}
    with odd_server(answering(models, status, refusal)) as odd, pytest.raises(kind) as caught:
        at(odd, tmp_path)("LumenfallGenerate", **CAT, model="brand-new")
    assert caught.value.hint.startswith(f"brand-new ends on {tomorrow}.")


def test_a_listed_model_that_is_refused_all_the_same_has_a_successor_too(tmp_path: Path) -> None:
    refusal = {"message": f"The model '{ENDED.id}' does not exist", "code": "model_not_found"}
    with odd_server(answering([{"id": ENDED.id}], 404, refusal)) as odd, pytest.raises(ModelUnavailable) as caught:
        at(odd, tmp_path)("LumenfallGenerate", **CAT, model=ENDED.id)
    assert ENDED.successors[0] in caught.value.hint


def test_other_refusals_say_nothing_of_successors(nodes: Nodes) -> None:
    with pytest.raises(LumenfallError) as caught:
        nodes("LumenfallGenerate", prompt="something forbidden", size="64x64", model=LEAVING.id)
    assert "successor" not in caught.value.hint


def test_an_estimate_tells_of_it(nodes: Nodes, sandbox: Sandbox) -> None:
    inputs = {**CAT, "n": 1, "seed": 0}
    graph = {
        str(number): {"class_type": "LumenfallGenerate", "inputs": {**inputs, "model": model}}
        for number, model in enumerate((LEAVING.id, ENDED.id, "gpt-image-2"))
    }
    with use(nodes.host):
        lines = asyncio.run(estimate_graph(graph)).lines
    assert [any("successor" in note for note in line.notes) for line in lines] == [True, True, False]
    assert sandbox.bill == []


@pytest.mark.parametrize(
    ("slug", "is_sent"),
    [
        *[(slug, True) for slug in (LEAVING.id, LEAVING.snapshots[0], f"openai/{LEAVING.id}", "gpt-image-1")],
        # Of other makers, or a name that Azure's users give.
        *[(slug, True) for slug in ("our-deployment", "flux.2-pro")],
        *[(slug, False) for slug in ("gpt-image-2", "openai/gpt-image-2", "gpt-image-1-mini", "chatgpt-image-latest")],
        # Not listed: GPT Image takes it no more from 2 on.
        *[(slug, False) for slug in ("gpt-image-2.7-aurora", "openai/GPT-image-3", "gpt-image-2-2026-12-24")],
    ],
)
@pytest.mark.parametrize("lists", [[], ["slug"]])
def test_what_a_model_is_not_known_to_take_is_left_out_and_told(
    tmp_path: Path, slug: str, is_sent: bool, lists: list[str]
) -> None:
    """Whether or not the server lists the model."""
    content = base64.b64encode(encode(torch.rand(64, 64, 3))).decode()

    def answer(path: str) -> tuple[int, dict[str, str], bytes]:
        if path.endswith("/models"):
            return 200, {}, json.dumps({"data": [{"id": name.replace("slug", slug)} for name in lists]}).encode()
        return 200, {}, json.dumps({"data": [{"b64_json": content}]}).encode()

    with odd_server(answer) as odd:
        made = at(odd, tmp_path)(
            "LumenfallEdit",
            image=torch.rand(1, 64, 64, 3),
            **CAT,
            model=slug,
            options=options(extra='{"input_fidelity": "high"}'),
        )
    sent = [body for (_, path, _), body in zip(odd.seen, odd.bodies, strict=True) if path.endswith("/edits")]
    assert [b"input_fidelity" in body for body in sent] == [is_sent]
    assert any("input_fidelity was not sent" in note for note in made.report["notes"]) is not is_sent
