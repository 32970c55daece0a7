"""What inpainting does with models that move the frame, change its light and its size, on photographs: beside the plain
way (send the whole picture, scale the answer, paste it by the mask) and a crop-and-stitch chain of nodes.

    python benchmarks/gallery.py [--all] [--worst N] [FOLDER]

Needs scikit-image, for its photographs. Prints a Markdown table, worst cells first (:mod:`inpainting.figures` says what
is measured), and draws the worst: picture, truth, plain, crop and stitch, ours, ours zoomed.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import defaultdict
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.inpainting.drifts import DRIFTS
from benchmarks.inpainting.figures import FIGURES, measure
from benchmarks.inpainting.scenes import MASKS, PHOTOGRAPHS, Scene, scene
from benchmarks.inpainting.ways import WAYS
from nodes.pixels import encode

OURS = ("ours", "ours zoomed")
Cell = tuple[str, str]
Figures = dict[str, dict[str, float]]


def run(photographs: list[str]) -> dict[Cell, Figures]:
    """The figures of every way for every mask and drift: the mean over the photographs."""
    gathered: dict[Cell, dict[str, list[dict[str, float]]]] = defaultdict(lambda: defaultdict(list))
    for mask in [*MASKS, "outpaint"]:
        for photo in photographs:
            case = scene(photo, mask)
            for drift in DRIFTS:
                for way, put_back in WAYS.items():
                    if mask == "outpaint" and way in ("crop and stitch", "ours zoomed"):
                        continue
                    outcome = put_back(case, drift)
                    figures = {**measure(case, outcome.image, outcome.old), "seconds": outcome.seconds}
                    gathered[mask, drift][way].append(figures)
    return {
        cell: {way: {name: _mean([row[name] for row in rows]) for name in rows[0]} for way, rows in ways.items()}
        for cell, ways in gathered.items()
    }


def _mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else float("nan")


def harm(figures: Figures) -> float:
    """How much worse the best that we offer is than the best of the others: levels, and pixels as ten levels."""
    score = {way: row["seam"] + row["colour"] + 10.0 * row["place"] for way, row in figures.items()}
    return min(score[way] for way in OURS if way in score) - min(score[way] for way in score if way not in OURS)


def print_table(cells: dict[Cell, Figures], worst: int) -> None:
    shown = ("seam", "colour", "place", "sharpness", "smear", "old")
    print(f"\n| mask | drift | way | {' | '.join(shown)} |\n|---|---|---|{'---|' * len(shown)}")
    for (mask, drift), figures in sorted(cells.items(), key=lambda entry: -harm(entry[1]))[:worst]:
        for way, row in figures.items():
            numbers = " | ".join("" if math.isnan(row[name]) else f"{row[name]:.2f}" for name in shown)
            print(f"| {mask} | {drift} | {way} | {numbers} |")


def print_summary(cells: dict[Cell, Figures]) -> None:
    for place, title in ((1, "drift"), (0, "mask")):
        ways = ", ".join(WAYS)
        print(f"\n| {title} | seam ({ways}) | colour | place |")
        print("|---|---|---|---|")
        for key in dict.fromkeys(cell[place] for cell in cells):
            rows = [figures for cell, figures in cells.items() if cell[place] == key]
            columns = [
                ", ".join(f"{_mean([row[way][name] for row in rows if way in row]):.2f}" for way in WAYS)
                for name in ("seam", "colour", "place")
            ]
            print(f"| {key} | {' | '.join(columns)} |")
    print(f"\n| all | {' | '.join([*FIGURES, 'CPU s'])} |\n|---|{'---|' * (len(FIGURES) + 1)}")
    for way in WAYS:
        rows = [figures[way] for figures in cells.values() if way in figures]
        print(
            f"| {way} | {' | '.join(f'{_mean([row[name] for row in rows]):.3f}' for name in [*FIGURES, 'seconds'])} |"
        )


def draw(case: Scene, drift: str, file: Path) -> None:
    """The surroundings of the mask: picture, truth, and every way."""
    rows, columns = ((case.mask > 0.1).any(dim=side).nonzero() for side in (1, 0))
    top, bottom = max(0, int(rows[0]) - 40), int(rows[-1]) + 40
    left, right = max(0, int(columns[0]) - 40), int(columns[-1]) + 40
    ways = [way for way in WAYS if "outpaint" not in case.name or way in ("plain", "ours")]
    tiles = [case.picture, case.truth, *(WAYS[way](case, drift).image for way in ways)]
    file.write_bytes(encode(torch.cat([tile[top:bottom, left:right] for tile in tiles], dim=1)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path, default=Path("output/gallery"))
    parser.add_argument("--all", action="store_true", help="three photographs, in three times as long")
    parser.add_argument("--worst", type=int, default=12, help="cells that are printed and drawn")
    arguments = parser.parse_args()
    photographs = list(PHOTOGRAPHS)[: None if arguments.all else 1]
    cells = run(photographs)
    print_summary(cells)
    print_table(cells, arguments.worst)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for mask, drift in sorted(cells, key=lambda cell: -harm(cells[cell]))[: arguments.worst]:
        name = f"{mask}-{drift}.png".replace(" ", "-").replace("%", "percent")
        draw(scene(photographs[0], mask), drift, arguments.folder / name)


if __name__ == "__main__":
    main()
