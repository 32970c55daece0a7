"""The rows of the browser's dialog, which are written by hand, against what the route takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from nodes.routes.settings import Change

SCRIPT = (Path(__file__).parents[2] / "web" / "js" / "settings.js").read_text(encoding="utf-8")
LIMITS = re.findall(r'"(\w+)"', re.findall(r"^const LIMITS = (.+);", SCRIPT, re.MULTILINE)[0])


def rows() -> dict[str, dict[str, Any]]:
    """Setting -> what its field takes, for each row of the form."""
    found = {}
    for method in re.split(r"\n  (?=\w+\(.*\) \{\n)", SCRIPT):
        for name in re.findall(r"this\.row\(\s*[`\"]([^`\"]+)", method):
            for each in [name.replace("${name}", limit) for limit in LIMITS] if "$" in name else [name]:
                found[each] = field(method)
    return found


def field(method: str) -> dict[str, Any]:
    if "amountField(" in method:
        return {"type": "number", "minimum": 0}
    if 'element("select"' in method:
        return {"enum": re.findall(r'"(\w+)"', re.findall(r"const choices = \[(.+?)\]", method)[0])}
    if "amountsField(" in method:
        return {"type": "object"}
    (kind,) = set(re.findall(r'type: "(password|url|checkbox|number)"', method))
    if kind != "number":
        return {"type": "boolean" if kind == "checkbox" else "string"}
    bounds = dict(re.findall(r"(min|max): (\d+)", method))
    whole = {"type": "integer" if "step: 1," in method else "number", "minimum": int(bounds["min"])}
    return {**whole, "maximum": int(bounds["max"])} if "max" in bounds else whole


def taken() -> dict[str, dict[str, Any]]:
    """The same, of the route."""
    schema = Change.model_json_schema()
    fields = dict(schema["properties"])
    (limits,) = schema["$defs"].values()
    del fields["limits"]
    fields |= {f"limits.{name}": field for name, field in limits["properties"].items()}
    return {name: plain(field) for name, field in fields.items()}


def plain(field: dict[str, Any]) -> dict[str, Any]:
    kind = next((kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null"), field)
    if "enum" in kind:
        return {"enum": kind["enum"]}
    told = {name: kind[name] for name in ("type", "minimum", "maximum") if name in kind}
    # The largest amount is the route's to refuse.
    return {name: value for name, value in told.items() if (told["type"], name) != ("number", "maximum")}


def test_the_dialog_has_a_row_for_each_setting_and_of_its_kind() -> None:
    assert rows() == taken()
