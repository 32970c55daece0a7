"""How time and memory grow with the pixels of a picture, the pictures of a batch and of a request, the nodes of a
graph, the rows of a table and the calls in the journal, each measured in a process of its own against a server that
answers at once. The exponent is the slope in the plot: 1 is in proportion, 0 is flat. What does not grow counts too
(the start of the command with the rows, PyTorch with the memory): what grows may be steeper than the slope.

    python benchmarks/growth.py [PLOT.png]
"""

from __future__ import annotations

import contextlib
import itertools
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import executing, ledger, rows
from benchmarks.stand_in import stand_in
from benchmarks.summary import sum_up

ENOUGH = 0.3
"""Seconds, after one to begin with: what takes less is measured more often."""

Prepare = Callable[[int, contextlib.ExitStack], Callable[[], object]]
"""What is measured, for so many; what it needs meanwhile goes on the stack."""


def pixels(count: int, stack: contextlib.ExitStack) -> Callable[[], object]:
    import torch

    from nodes.pixels import decode, encode

    side = round(count**0.5)
    # As smooth as a photograph, and as noisy as its grain.
    plain = torch.linspace(0, 1, side)[None, :, None].expand(side, side, 3)
    picture = (plain + 0.02 * torch.randn(side, side, 3, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    return lambda: decode(encode(picture))


def graph(make: Callable[[int, int], executing.Prompt]) -> Prepare:
    def prepared(count: int, stack: contextlib.ExitStack) -> Callable[[], object]:
        base_url = stack.enter_context(stand_in()).base_url
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        seeds = itertools.count()
        return lambda: executing.run(make(count, next(seeds)), base_url, folder)

    return prepared


def inpainted(count: int, seed: int) -> executing.Prompt:
    prompt = executing.inpaint(count)
    prompt["i"]["inputs"]["seed"] = seed
    return prompt


def table(count: int, stack: contextlib.ExitStack) -> Callable[[], object]:
    server = stack.enter_context(stand_in())
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    words = itertools.count()

    def go() -> None:
        place = folder / str(next(words))
        place.mkdir()
        rows.prepare(place, count, place.name)
        rows.ended(rows.started(place, server, "rows.csv"))

    return go


def calls(count: int, stack: contextlib.ExitStack) -> Callable[[], object]:
    return ledger.works(stack.enter_context(tempfile.TemporaryDirectory()), count)["one purchase"]


ROWS = "rows, with the start"

KINDS: dict[str, tuple[Prepare, tuple[int, ...]]] = {
    "pixels": (pixels, (2**18, 2**20, 2**22, 2**24)),
    "pictures of a batch": (graph(inpainted), (1, 2, 4, 8)),
    "pictures of a request": (
        graph(lambda count, seed: executing.generate(1, n=count, seed=seed, model=executing.MODEL)),
        (1, 2, 4, 8),
    ),
    "nodes": (graph(lambda count, seed: executing.generate(count, seed=seed)), (4, 12, 36)),
    ROWS: (table, (20, 60, 180)),
    "calls in the journal": (calls, (10**2, 10**4, 10**5)),
}


def measure(kind: str, count: int) -> None:
    """Prints the seconds that it takes, and the megabytes that its process has had."""
    prepare, _ = KINDS[kind]
    taken = []
    with contextlib.ExitStack() as stack:
        work = prepare(count, stack)
        work()
        while sum(taken) < ENOUGH:
            started = time.perf_counter()
            work()
            taken.append(time.perf_counter() - started)
        who = resource.RUSAGE_CHILDREN if kind == ROWS else resource.RUSAGE_SELF
        megabytes = resource.getrusage(who).ru_maxrss / 1024
    print(json.dumps([statistics.median(taken), megabytes]))


def measured(kind: str, count: int) -> tuple[float, float]:
    command = [sys.executable, __file__, "--measure", kind, str(count)]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    seconds, megabytes = json.loads(out.splitlines()[-1])
    return seconds, megabytes


def exponent(counts: tuple[int, ...], values: list[float]) -> float:
    return float(np.polyfit(np.log(counts), np.log(values), 1)[0])


def main(plot: Path | None) -> None:
    print("| with | from | to | seconds | exponent | MB in all | exponent |\n|---|---|---|---|---|---|---|")
    curves = {}
    for kind, (_, counts) in KINDS.items():
        seconds, megabytes = (list(column) for column in zip(*(measured(kind, count) for count in counts), strict=True))
        curves[kind] = counts, seconds, megabytes
        cells = [kind, f"{counts[0]:,}", f"{counts[-1]:,}", f"{seconds[0]:.3f} to {seconds[-1]:.3f}"]
        cells += [f"{exponent(counts, seconds):.2f}", f"{megabytes[0]:.0f} to {megabytes[-1]:.0f}"]
        print("| " + " | ".join([*cells, f"{exponent(counts, megabytes):.2f}"]) + " |", flush=True)
    slopes = {kind: exponent(counts, seconds) for kind, (counts, seconds, _) in curves.items()}
    told = ", ".join(f"{kind} {slope:.2f}" for kind, slope in slopes.items())
    sum_up("Exponent of the time with more", told, "1, and 0 with calls")
    if plot is not None:
        draw(curves, plot)


def draw(curves: dict[str, tuple[tuple[int, ...], list[float], list[float]]], plot: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(2, 3, figsize=(10, 5.6), layout="constrained")
    for panel, (kind, (counts, seconds, megabytes)) in zip(panels.flat, curves.items(), strict=True):
        panel.loglog(counts, seconds, "o-", color="#2f6fde")
        slopes = [
            f"{what} ~ n^{exponent(counts, values):.2f}" for what, values in (("time", seconds), ("MB", megabytes))
        ]
        panel.set_title(f"{kind}\n{', '.join(slopes)}", fontsize=9)
        # The same for all, so that what is flat looks flat.
        panel.set_ylim(0.005, 20)
        panel.set_ylabel("seconds", color="#2f6fde")
        beside = panel.twinx()
        beside.loglog(counts, megabytes, "s--", color="#9a9a9a", markersize=4)
        beside.set_ylabel("MB", color="#777777")
        beside.set_ylim(100, 10_000)
        # Last, since each line sets them anew.
        panel.set_xticks(counts, [_short(count) for count in counts])
        panel.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
        beside.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
        panel.grid(visible=True, which="major", alpha=0.3)
    figure.savefig(plot, dpi=110)
    print(f"\nDrawn in {plot}")


def _short(count: int) -> str:
    if count < 10_000:
        return str(count)
    return f"{count / 10**6:.3g} M" if count >= 10**6 else f"{count / 1000:.0f} k"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], int(sys.argv[3]))
    else:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
