"""The contract with saved workflows: ids, input names, positions and types never change."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest

from nodes.contract.nodes import PaidNode
from nodes.headless.core_nodes import CORE_TITLES
from nodes.table import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

SNAPSHOT = Path(__file__).with_name("node_table.json")
PAID = [name for name, node in NODE_CLASS_MAPPINGS.items() if issubclass(node, PaidNode)]


def described(node: Any) -> dict[str, Any]:
    inputs = node.INPUT_TYPES()
    return {
        "inputs": {
            group: {name: "COMBO" if isinstance(spec[0], list) else spec[0] for name, spec in inputs[group].items()}
            for group in ("required", "optional")
            if group in inputs
        },
        "outputs": dict(zip(node.RETURN_NAMES, node.RETURN_TYPES, strict=True)),
    }


def test_the_table_only_ever_grows_at_its_end() -> None:
    """A node may gain optional inputs after its last one, and the table new nodes; nothing else may change."""
    saved = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    for node_id, before in saved.items():
        now = described(NODE_CLASS_MAPPINGS[node_id])
        assert now["outputs"] == before["outputs"]
        assert list(now["inputs"]["required"].items()) == list(before["inputs"]["required"].items())
        optional = list(before["inputs"].get("optional", {}).items())
        assert list(now["inputs"].get("optional", {}).items())[: len(optional)] == optional
    missing = {name: described(node) for name, node in NODE_CLASS_MAPPINGS.items() if name not in saved}
    assert not missing, f"add to {SNAPSHOT.name}: {json.dumps(missing)}"


@pytest.mark.parametrize("node_id", NODE_CLASS_MAPPINGS)
def test_every_node_explains_itself(node_id: str) -> None:
    node = NODE_CLASS_MAPPINGS[node_id]
    inputs = node.INPUT_TYPES()
    specs = {name: spec for group in ("required", "optional") for name, spec in inputs.get(group, {}).items()}
    assert all(spec[1]["tooltip"] for spec in specs.values())
    assert len(node.OUTPUT_TOOLTIPS) == len(node.RETURN_TYPES) and all(node.OUTPUT_TOOLTIPS)
    assert node.DESCRIPTION and node.SEARCH_ALIASES and node.CATEGORY == "Lumenfall"
    assert NODE_DISPLAY_NAME_MAPPINGS[node_id]


@pytest.mark.parametrize("node_id", NODE_CLASS_MAPPINGS)
def test_every_node_keeps_the_hosts_contract(node_id: str) -> None:
    node = NODE_CLASS_MAPPINGS[node_id]
    function = getattr(node, node.FUNCTION)
    inputs = node.INPUT_TYPES()
    # A paid node's hidden inputs go to the function of its base class, the others to its plan.
    groups = ("required", "optional") if node_id in PAID else ("required", "optional", "hidden")
    declared = [name for group in groups for name in inputs.get(group, {})]
    parameters = list(inspect.signature(node.plan if node_id in PAID else function).parameters.values())[1:]
    named = [parameter.name for parameter in parameters if parameter.kind is not inspect.Parameter.VAR_KEYWORD]
    assert named == declared[: len(named)]
    assert len(named) == len(declared) or len(named) < len(parameters), "the rest goes to **"
    # With its own id among them, equal nodes would no longer share ComfyUI's cache.
    assert "UNIQUE_ID" not in inputs.get("hidden", {}).values()
    # Either would put a third-party node behind Comfy's own account.
    assert not hasattr(node, "API_NODE") and not hasattr(node, "is_api_node")
    if node_id in PAID:
        assert inspect.iscoroutinefunction(function)
        assert set(inputs["hidden"]) <= set(inspect.signature(function).parameters)
        assert list(inspect.signature(node.VALIDATE_INPUTS).parameters) == ["model", "input_types"]


@pytest.mark.parametrize("node_id", PAID)
@pytest.mark.parametrize(
    ("model", "links", "accepted"),
    [
        ("gpt-image-2", {}, True),
        ("brand-new/slug", {}, True),
        (None, {"model": "STRING"}, True),
        (None, {"model": "COMBO"}, True),
        (None, {"model": ["a", "b"]}, True),
        (None, {"model": "*"}, True),
        (None, {"model": "STRING,INT"}, True),
        (None, {"model": "MASK"}, False),
        ("m", {"seed": "INT"}, True),
        ("m", {"seed": "IMAGE"}, False),
        ("m", {"options": "LUMENFALL_OPTIONS"}, True),
        ("m", {"options": "IMAGE"}, False),
        ("", {}, False),
        ("  ", {}, False),
    ],
)
def test_any_model_name_is_accepted_and_any_wrong_link_is_not(
    node_id: str, model: str | None, links: dict[str, Any], accepted: bool
) -> None:
    assert (NODE_CLASS_MAPPINGS[node_id].VALIDATE_INPUTS(model, links) is True) is accepted


def test_the_browser_knows_which_nodes_pay() -> None:
    script = (Path(__file__).parents[1] / "web" / "js" / "nodes.js").read_text(encoding="utf-8")
    (names,) = re.findall(r"PAID = new Set\(\s*\[(.+?)\]", script)
    assert [f"Lumenfall{name}" for name in re.findall(r'"(\w+)"', names)] == PAID


def test_no_node_is_called_as_one_of_comfyuis_own() -> None:
    assert not {name.casefold() for name in NODE_DISPLAY_NAME_MAPPINGS.values()} & {
        name.casefold() for name in CORE_TITLES.values()
    }
