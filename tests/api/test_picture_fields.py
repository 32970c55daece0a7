"""Several pictures go by the name that the server wants, and are paid for once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from nodes import errors
from nodes.api import Reply, picture_fields
from nodes.api.picture_fields import misses_image
from nodes.errors import Charged
from nodes.headless.host import Headless
from nodes.headless.sandbox import Received, Sandbox
from tests.conftest import Nodes

EDIT: dict[str, Any] = {"prompt": "a hat", "model": "gpt-image-2"}


@pytest.fixture(autouse=True)
def knows_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_fields, "_takes_repeated", set())


@pytest.fixture
def nodes(sandbox: Sandbox, tmp_path: Path) -> Nodes:
    """With another server than Lumenfall's."""
    return nodes_at(sandbox.gateway_url, tmp_path)


def nodes_at(url: str, folder: Path, **env: str) -> Nodes:
    return Nodes(Headless({"LUMENFALL_BASE_URL": url, "LUMENFALL_DATA_DIR": str(folder), **env}))


def edit(nodes: Nodes, seed: int = 0) -> None:
    nodes("LumenfallEdit", image=torch.zeros(1, 64, 64, 3), image_2=torch.ones(1, 64, 64, 3), **EDIT, seed=seed)


def fields(sandbox: Sandbox) -> list[str]:
    posts: list[Received] = [request for request in sandbox.requests if request.method == "POST"]
    return [name for request in posts for name in request.files]


def test_a_422_that_misses_image_gets_it_once_more(nodes: Nodes, sandbox: Sandbox) -> None:
    sandbox.fail_next("wants-image")
    edit(nodes)
    assert (fields(sandbox), len(sandbox.bill)) == (["image[]", "image"], 1)
    # From then on at once.
    edit(nodes, seed=1)
    assert (fields(sandbox), len(sandbox.bill)) == (["image[]", "image", "image"], 2)


def test_a_second_422_is_the_last_word(nodes: Nodes, sandbox: Sandbox) -> None:
    sandbox.fail_next("wants-image:2")
    with pytest.raises(errors.InvalidRequest) as caught:
        edit(nodes)
    assert caught.value.charged is Charged.NO and fields(sandbox) == ["image[]", "image"]


@pytest.mark.parametrize(("chosen", "sent"), [("image", ["image"]), ("image[]", ["image[]"])])
def test_a_setting_decides(sandbox: Sandbox, tmp_path: Path, chosen: str, sent: list[str]) -> None:
    nodes = nodes_at(sandbox.gateway_url, tmp_path, LUMENFALL_PICTURE_FIELD=chosen)
    if chosen == "image[]":
        sandbox.fail_next("wants-image")
        with pytest.raises(errors.InvalidRequest):
            edit(nodes)
    else:
        edit(nodes)
    assert fields(sandbox) == sent


def test_at_lumenfall_nothing_is_sent_again(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fail_next("wants-image")
    with pytest.raises(errors.InvalidRequest):
        edit(nodes_at(sandbox.base_url, tmp_path))
    assert fields(sandbox) == ["image[]"]


MISSING = [{"loc": ["body", "image"], "msg": "Field required"}]


@pytest.mark.parametrize(
    ("status", "content", "again"),
    [
        (422, {"detail": MISSING}, True),
        (400, {"detail": MISSING}, False),
        (500, {"detail": MISSING}, False),
        (422, {"detail": MISSING, "metadata": {"cost": 0.04}}, False),
        (422, {"detail": [{"loc": ["body", "prompt"]}]}, False),
        (422, {"detail": "no image"}, False),
        (422, [], False),
    ],
)
def test_only_a_free_422_that_names_the_field_counts(status: int, content: Any, again: bool) -> None:
    assert misses_image(Reply(status, {}, json.dumps(content).encode())) is again
