"""The help pages: one for each node, and true to its inputs, outputs, defaults, ranges and error codes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nodes.table import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "web" / "docs"
CODE_NAME = re.compile(r"`([^`]+)`")
ERROR_CODE = re.compile(r"[A-Z]+(?:_[A-Z]+)+")


def page(node_id: str) -> str:
    return (DOCS / f"{node_id}.md").read_text(encoding="utf-8")


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    lines = [line for line in (section[1] if section else "").splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names(cell: str) -> list[str]:
    """The names in a first cell; ``a_2 to a_4`` are three."""
    several = re.fullmatch(r"`(\w+_)(\d+)` to `\1(\d+)`", cell)
    if several:
        return [f"{several[1]}{number}" for number in range(int(several[2]), int(several[3]) + 1)]
    return CODE_NAME.findall(cell)


def declared(node_id: str) -> dict[str, Any]:
    node: Any = NODE_CLASS_MAPPINGS[node_id]
    inputs = node.INPUT_TYPES()
    return {**inputs["required"], **inputs.get("optional", {})}


def facts(name: str, spec: Any) -> str:
    """What the page has to say of an input's default and range, at the end of its row. A list of models changes."""
    kind, options = spec[0], spec[1]
    limits = f"{options['min']} to {options['max']}" if "min" in options else ""
    if options.get("forceInput"):
        return f"*{limits}.*"
    if name in ("model", "more_models") or options.get("default", "") == "":
        return ""
    default = {True: "on", False: "off"}[options["default"]] if kind == "BOOLEAN" else options["default"]
    return f"*Default {default}, {limits}.*" if limits else f"*Default {default}.*"


def known_codes() -> set[str]:
    """Every code that an error of the pack may carry."""
    sources = [path for path in (ROOT / "nodes").rglob("*.py") if "headless" not in path.parts]
    return {
        code for path in sources for code in re.findall(r'"([A-Z]+(?:_[A-Z]+)+)"', path.read_text(encoding="utf-8"))
    }


def pages() -> Iterator[Path]:
    return DOCS.rglob("*.md")


def test_every_node_has_its_page_and_every_page_its_node() -> None:
    assert {path.relative_to(DOCS).parts[0].removesuffix(".md") for path in pages()} == set(NODE_CLASS_MAPPINGS)


@pytest.mark.parametrize("node_id", NODE_CLASS_MAPPINGS)
def test_a_page_lists_the_inputs_as_they_are(node_id: str) -> None:
    table = {tuple(names(row[0])): row[1] for row in rows(page(node_id), "Inputs")}
    assert [name for several in table for name in several] == list(declared(node_id))
    for several, text in table.items():
        for name in several:
            said = re.search(r"(\*(?:Default|\d)[^*]*\.\*)?$", text)
            assert said and (said[1] or "") == facts(name, declared(node_id)[name]), name


@pytest.mark.parametrize("node_id", NODE_CLASS_MAPPINGS)
def test_a_page_lists_the_outputs_as_they_are(node_id: str) -> None:
    node: Any = NODE_CLASS_MAPPINGS[node_id]
    listed = [row[0] for row in rows(page(node_id), "Outputs")]
    outputs = zip(node.RETURN_NAMES, node.RETURN_TYPES, strict=True)
    assert listed == [f"`{name}` {kind}" for name, kind in outputs]


@pytest.mark.parametrize("node_id", NODE_CLASS_MAPPINGS)
def test_a_table_is_no_wider_than_the_help_panel(node_id: str) -> None:
    assert {line.count("|") for line in page(node_id).splitlines() if line.startswith("|")} == {3}


@pytest.mark.parametrize("node_id", NODE_CLASS_MAPPINGS)
def test_a_page_names_only_what_exists(node_id: str) -> None:
    text = page(node_id)
    assert text.startswith(f"# {NODE_DISPLAY_NAME_MAPPINGS[node_id]}\n")
    for title in re.findall(r"\*\*([A-Z]\w+ [A-Z]\w+)\*\*", text):
        assert title in NODE_DISPLAY_NAME_MAPPINGS.values()
    mistakes = re.findall(r"^- `(\w+)`: ", text.partition("## Common mistakes\n")[2], re.MULTILINE)
    assert 2 <= len(mistakes) <= 4 and all(map(ERROR_CODE.fullmatch, mistakes))
    codes = {name for name in CODE_NAME.findall(text) if ERROR_CODE.fullmatch(name)}
    assert codes and codes <= known_codes()


@pytest.mark.parametrize("node_id", NODE_CLASS_MAPPINGS)
def test_a_page_has_its_sections_and_is_short(node_id: str) -> None:
    text = page(node_id)
    headings = re.findall(r"^## (.+)", text, re.MULTILINE)
    wanted = ["When to use it", "Inputs", "Outputs", "Costs and replays", "Tips", "Common mistakes"]
    assert [heading for heading in headings if heading in wanted] == wanted
    assert 40 <= len(text.splitlines()) <= 80


def test_every_page_is_there_in_every_language() -> None:
    languages = {path.name for path in (ROOT / "locales").iterdir()} - {"en"}
    assert {(path.parent.name, path.stem) for path in DOCS.glob("*/*.md")} == {
        (node_id, language) for node_id in NODE_CLASS_MAPPINGS for language in languages
    }


TRANSLATED = sorted(str(path.relative_to(DOCS)) for path in DOCS.glob("*/*.md"))


def first_cells(text: str) -> list[str]:
    return [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]


@pytest.mark.parametrize("path", TRANSLATED)
def test_a_translated_page_covers_what_the_english_one_does(path: str) -> None:
    node_id, language = Path(path).parent.name, Path(path).stem
    words = json.loads((ROOT / "locales" / language / "nodeDefs.json").read_text(encoding="utf-8"))[node_id]
    text = (DOCS / path).read_text(encoding="utf-8")
    assert text.startswith(f"# {words['display_name']}\n")
    cells, english = first_cells(text), first_cells(page(node_id))
    assert [CODE_NAME.findall(cell) for cell in cells] == [CODE_NAME.findall(cell) for cell in english]
    for cell in cells:
        name = CODE_NAME.findall(cell)[0]
        labels = [words.get("inputs", {}).get(name), *(words["outputs"].values())]
        assert any(label and label["name"] in cell for label in labels), cell
    mistakes = re.compile(r"^- `(\w+)`", re.MULTILINE)
    assert [code for code in mistakes.findall(text) if ERROR_CODE.fullmatch(code)] == [
        code for code in mistakes.findall(page(node_id)) if ERROR_CODE.fullmatch(code)
    ]
    assert text.count("\n## ") == 6 and {line.count("|") for line in text.splitlines() if line.startswith("|")} == {3}
