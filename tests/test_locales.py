"""The translations: complete, nothing stale, and readable to every way in which ComfyUI's browser shows them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nodes.table import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

LOCALES = Path(__file__).parents[1] / "locales"
LANGUAGES = ["de", "es", "fr", "ja", "ko", "zh"]
SHARED_FILES = ["main.json", "commands.json", "settings.json"]

# vue-i18n's message syntax: {name}, {'literal'}, @:link, a | b.
INTERPOLATION = re.compile(r"\{\s*(\w+|'[^']*')\s*\}")
PLURALS = ("zero", "one", "two", "few", "many", "other")  # as Intl.PluralRules names them
# What the user reads or types as it stands: sizes, ratios, slugs, option values before a colon.
LITERAL = re.compile(r"\d+x\d+|\d+:\d+|[a-z]+/[a-z.-]*\d[a-z0-9-]*|\"\w+\": [\d.]+|`[^`]+`|(?<!\w)-1(?!\w)")


def read(language: str, name: str) -> dict[str, Any]:
    return dict(json.loads((LOCALES / language / name).read_text(encoding="utf-8")))


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no object, by its path."""
    if not isinstance(tree, dict):
        yield path, tree
        return
    for key, branch in tree.items():
        yield from leaves(branch, f"{path}.{key}" if path else key)


def english() -> dict[str, dict[str, Any]]:
    """What Python says of each node, in the shape of nodeDefs.json."""
    found: dict[str, dict[str, Any]] = {}
    node: Any
    for node_id, node in NODE_CLASS_MAPPINGS.items():
        declared = node.INPUT_TYPES()
        specs = {name: spec for group in ("required", "optional") for name, spec in declared.get(group, {}).items()}
        outputs = dict(enumerate(zip(node.RETURN_NAMES, node.OUTPUT_TOOLTIPS, strict=True)))
        found[node_id] = {
            "display_name": NODE_DISPLAY_NAME_MAPPINGS[node_id],
            "description": node.DESCRIPTION,
            "inputs": {name: {"name": name, "tooltip": spec[1]["tooltip"]} for name, spec in specs.items()},
            "outputs": {str(index): {"name": name, "tooltip": tip} for index, (name, tip) in outputs.items()},
        }
    return found


def choices(path: str) -> list[str]:
    """The values of the menu that the tooltip at ``path`` belongs to."""
    node_id, group, name, *_ = [*path.split("."), "", ""]
    if group != "inputs" or name == "model":
        return []
    node: Any = NODE_CLASS_MAPPINGS[node_id]
    declared = node.INPUT_TYPES()
    kind: Any = {**declared["required"], **declared.get("optional", {})}[name][0]
    return kind if isinstance(kind, list) else []


def test_the_languages_are_those_that_are_translated() -> None:
    assert sorted(path.parent.name for path in LOCALES.glob("*/nodeDefs.json")) == LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_has_every_node_and_nothing_stale(language: str) -> None:
    translated, original = dict(leaves(read(language, "nodeDefs.json"))), dict(leaves(english()))
    assert translated.keys() == original.keys()
    for path, text in translated.items():
        assert isinstance(text, str) and text.strip() == text and text, path
        # A name such as "options" may be the same word; a sentence is not.
        assert " " not in original[path] or text != original[path], path


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_typed_or_chosen_is_not_translated(language: str) -> None:
    translated, original = dict(leaves(read(language, "nodeDefs.json"))), dict(leaves(english()))
    for path, text in original.items():
        named = [value for value in choices(path) if f"{value}:" in text]
        for literal in [*LITERAL.findall(text), *named]:
            assert literal in translated[path], (path, literal)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_of_a_node_needs_escaping(language: str) -> None:
    """Frontend 1.27 compiles tooltips by vue-i18n's syntax, 1.49 shows them as they are: what would have to be escaped
    for the one is wrong in the other.
    """
    for path, text in leaves(read(language, "nodeDefs.json")):
        assert not set(text) & set("@{}|"), path


@pytest.mark.parametrize("name", SHARED_FILES)
def test_all_languages_have_a_file_or_none(name: str) -> None:
    present = [language for language in LANGUAGES if (LOCALES / language / name).exists()]
    assert present in ([], LANGUAGES)


def files() -> list[tuple[str, str]]:
    found = sorted(path for name in SHARED_FILES for path in LOCALES.glob(f"*/{name}"))
    return [(path.parent.name, path.name) for path in found]


@pytest.mark.parametrize(("language", "name"), files())
def test_a_file_says_what_the_english_one_says(language: str, name: str) -> None:
    translated, original = read(language, name), {singular(path): text for path, text in leaves(read("en", name))}
    assert {singular(path) for path, _ in leaves(translated)} == original.keys()
    for path, text in leaves(translated):
        assert isinstance(text, str) and text.strip(), path
        assert set(INTERPOLATION.findall(text)) == set(INTERPOLATION.findall(original[singular(path)])), path


def singular(path: str) -> str:
    """The name of a text, which may be one for each plural of its language."""
    return re.sub(rf"\.(?:{'|'.join(PLURALS)})$", "", path)


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_a_text_with_plurals_has_one_for_all_other_numbers(language: str) -> None:
    for section, texts in read(language, "main.json")["lumenfall"].items():
        for name, text in texts.items():
            assert isinstance(text, str) or ("other" in text and set(text) <= {*PLURALS}), (section, name)


@pytest.mark.parametrize(("language", "name"), files())
def test_a_file_can_be_compiled(language: str, name: str) -> None:
    for path, text in leaves(read(language, name)):
        rest = INTERPOLATION.sub("", text)
        # The pack's own texts are filled in by the pack, which knows no other syntax than {name}.
        forbidden = "{}" if path.startswith("lumenfall.") else "@{}|"
        assert not set(rest) & set(forbidden), path


def test_the_extension_says_nothing_that_is_not_written_down_and_nothing_is_written_down_for_nothing() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (LOCALES.parent / "web" / "js").rglob("*.js"))
    used = set(re.findall(r"[\"'](\w+\.\w+)[\"']", code))
    begun = tuple(re.findall(r"`(\w+\.\w*)\$\{", code))
    known = {singular(name) for name, _ in leaves(read("en", "main.json")["lumenfall"])}
    sections = {name.partition(".")[0] for name in known}
    assert {name for name in used if name.partition(".")[0] in sections} <= known
    assert set(re.findall(r"\bt\(\s*[\"']([^\"']+)", code)) <= known
    for start in re.findall(r"\bt\(\s*`([^`$]*)\$\{", code):
        assert any(name.startswith(start) for name in known), start
    assert not {name for name in known - used if not name.startswith(begun)}


def test_english_commands_and_settings_say_what_the_extension_registers() -> None:
    code = {
        name: (LOCALES.parent / "web" / "js" / name).read_text(encoding="utf-8")
        for name in ("lumenfall.js", "settings.js")
    }
    commands = re.findall(r"id: \"(Lumenfall\.\w+)\",\s*label: \"([^\"]+)\"", code["lumenfall.js"])
    assert {name.replace(".", "_"): {"label": label} for name, label in commands} == read("en", "commands.json")
    entries = re.findall(
        r"id: \"(Lumenfall\.\w+)\",\s*name: \"([^\"]+)\"[^}]*?tooltip: \"([^\"]+)\"", code["settings.js"]
    )
    told = {name.replace(".", "_"): {"name": label, "tooltip": tip} for name, label, tip in entries}
    assert told == read("en", "settings.json")
