"""Makes nodes/api/catalogue.json, the bundled list of models, of the tables beside it.

    python catalogue/make.py

models.csv has a line for each model. Words in a cell are separated by spaces, and an empty cell says that it is not
known; ``-`` stands for none.

list          offered: in the menus. ended: in none, because it has ended or is about to; who names it is told.
modes         generate, edit, upscale, variations
parameters    what it takes beyond the common ones, as far as its pages list it
price         US dollars for a picture of 1024x1024
sizes         those that it serves as they are asked for, or a name of sizes.csv
transparency  whether it makes transparent backgrounds: yes or no
ends          the day on which it is switched off, in UTC, and ``successors`` what its maker names in its place
accepts       parameters of which it takes few values, such as input_fidelity=high|low; none where nothing follows the =
aliases       further names that order the same; snapshots: those of fixed versions

A fact needs a source: the model's page at lumenfall.ai, its maker's documentation or prices. Set COMPILED when the
tables were gone through.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

COMPILED = "2026-11-26"

PRICES = (
    "USD for one picture of 1024x1024 at the maker's or the cheapest provider's price, never the batch price. "
    "gpt-image-2: medium quality. FLUX.2 pro and max: the first megapixel (bfl.ai/pricing). What is known per token "
    "only has no price."
)

UNLISTED = {"gpt-image-": {"input_fidelity": []}, "chatgpt-image-": {"input_fidelity": []}}
"""What the models of a maker accept that are in no table, by the beginning of their slugs."""

HERE = Path(__file__).parent
RESULT = HERE.parent / "nodes" / "api" / "catalogue.json"

WORDS = ("modes", "parameters", "sizes", "successors", "aliases", "snapshots")


def entry(line: dict[str, str], sizes: dict[str, str]) -> dict[str, Any]:
    """A model as catalogue.json has it: what is not known is left out."""
    told: dict[str, Any] = {"id": line["id"], "name": line["name"]}
    for name in WORDS:
        cell = sizes.get(line[name], line[name]) if name == "sizes" else line[name]
        if cell:
            told[name] = [word for word in cell.split() if word != "-"]
    if line["max_images"]:
        told["max_images"] = int(line["max_images"])
    if line["price"]:
        told["price"] = float(line["price"])
    if line["transparency"]:
        told["transparency"] = {"yes": True, "no": False}[line["transparency"]]
    if line["ends"]:
        told["ends"] = line["ends"]
    if line["accepts"]:
        pairs = (word.split("=") for word in line["accepts"].split())
        told["accepts"] = {name: [value for value in values.split("|") if value] for name, values in pairs}
    return told


def made() -> str:
    """The content of catalogue.json, a line for each model."""
    with (HERE / "sizes.csv").open(encoding="utf-8", newline="") as file:
        sizes = {line["name"]: line["sizes"] for line in csv.DictReader(file)}
    with (HERE / "models.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))

    def listed(name: str) -> str:
        return ",\n".join(f"    {json.dumps(entry(line, sizes))}" for line in lines if line["list"] == name)

    return (
        f'{{\n  "compiled": {json.dumps(COMPILED)},\n  "prices": {json.dumps(PRICES)},\n'
        f'  "models": [\n{listed("offered")}\n  ],\n  "ended": [\n{listed("ended")}\n  ],\n'
        f'  "unlisted": {json.dumps(UNLISTED)}\n}}\n'
    )


if __name__ == "__main__":
    RESULT.write_text(made(), encoding="utf-8", newline="\n")
    print(f"Written: {RESULT}")
