"""Each cell of the table in docs/servers.md that names the sandbox is tried with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nodes.api import OPENAI, credentials
from nodes.headless.host import Headless
from nodes.headless.sandbox import Sandbox
from tests.conftest import Nodes

DOCS = Path(__file__).parents[2] / "docs" / "servers.md"
MODEL = "gpt-image-2"

COST = {"Lumenfall": None, "OpenAI": "tokens", "others": "usage-cost"}
"""The fault by which the sandbox names its cost as a server does."""


def table() -> dict[tuple[str, str], str]:
    """Cell by server and ability."""
    lines = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    (_, *head), _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return {(server, ability): cell for server, *cells in rows for ability, cell in zip(head, cells, strict=True)}


TABLE = table()


@pytest.fixture
def nodes_at(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Nodes]:
    def at(server: str) -> Nodes:
        if server == "OpenAI":
            # By its host name alone it would be known.
            monkeypatch.setattr(credentials, "flavour_of", lambda _: OPENAI)
        url = sandbox.base_url if server == "Lumenfall" else sandbox.gateway_url
        return Nodes(Headless({"LUMENFALL_BASE_URL": url, "LUMENFALL_DATA_DIR": str(tmp_path)}))

    return at


def try_generate(nodes: Nodes, sandbox: Sandbox, server: str) -> None:
    made = nodes("LumenfallGenerate", prompt="a cat", size="64x64", model=MODEL)
    assert made.images.shape == (1, 64, 64, 3) and len(sandbox.bill) == 1


def try_edit(nodes: Nodes, sandbox: Sandbox, server: str) -> None:
    image = torch.rand(1, 64, 96, 3)
    made = nodes("LumenfallEdit", image=image, prompt="a hat", model=MODEL)
    assert made.images.shape == image.shape and not torch.equal(made.images, image)


def try_mask(nodes: Nodes, sandbox: Sandbox, server: str) -> None:
    image, mask = torch.rand(1, 64, 96, 3), torch.zeros(1, 64, 96)
    mask[:, 16:48, 16:48] = 1
    sandbox.fail_next("drifted")
    made = nodes("LumenfallInpaint", image=image, mask=mask, prompt="a hat", model=MODEL)
    assert any("mask" in request.files for request in sandbox.requests)
    assert torch.equal(made.images[mask == 0], image[mask == 0])


def try_several(nodes: Nodes, sandbox: Sandbox, server: str) -> None:
    pictures = {"image": torch.zeros(1, 64, 64, 3), "image_2": torch.ones(1, 64, 64, 3)}
    if server == "others":
        sandbox.fail_next("wants-image")
    nodes("LumenfallEdit", **pictures, prompt="both", model=MODEL)
    (order,) = [request for request in sandbox.requests if request.endpoint == "images/edits" and request.cost]
    assert [(name, len(files)) for name, files in order.files.items()] == [
        ("image" if server == "others" else "image[]", 2)
    ]


def try_cost(nodes: Nodes, sandbox: Sandbox, server: str) -> None:
    if fault := COST[server]:
        sandbox.fail_next(fault)
    made = nodes("LumenfallGenerate", prompt="a cat", size="64x64", model=MODEL)
    assert made.report["cost"] == pytest.approx(float(sandbox.billed))
    assert made.report.get("approximate", False) is (server == "OpenAI")


def try_streaming(nodes: Nodes, sandbox: Sandbox, server: str) -> None:
    sandbox.fail_next("event-stream")
    made = nodes("LumenfallGenerate", prompt="a cat", size="64x64", model=MODEL, n=2)
    assert made.images.shape[0] == 2


TRIES = {
    "generate": try_generate,
    "edit": try_edit,
    "mask": try_mask,
    "several pictures": try_several,
    "cost": try_cost,
    "streaming": try_streaming,
}


@pytest.mark.parametrize(
    ("server", "ability"), [place for place, cell in TABLE.items() if re.search(r"\bsandbox\b", cell)]
)
def test_a_cell_is_true(nodes_at: Callable[[str], Nodes], sandbox: Sandbox, server: str, ability: str) -> None:
    TRIES[ability](nodes_at(server), sandbox, server)


def test_what_is_not_tried_says_so() -> None:
    proxied = ("generate", "edit", "mask", "several pictures", "cost")
    assert len(TABLE) == 5 * len(TRIES)
    for (server, ability), cell in TABLE.items():
        # By test_litellm.py.
        is_proxied = server == "LiteLLM" and ability in proxied and cell.endswith("real proxy")
        assert is_proxied or cell.endswith(("sandbox", "untried", "none")), (server, ability)
