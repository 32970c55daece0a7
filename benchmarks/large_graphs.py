"""What the command takes to look at a large workflow: pictures scaled in a chain behind a paid node, and as many nodes
that only show something. For each command the CPU seconds beyond those of a graph of two nodes, and how
many times that four times as many nodes take; 4 is wanted.

    python benchmarks/large_graphs.py [NODES]
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.stand_in import ROOT
from benchmarks.summary import sum_up

ROUNDS = 2
"""Of which the least counts: the start has a scatter of its own, always upwards."""

PAID, TEXT, FIRST = 1, 2, 10
INPUTS = {"prompt": "a fox", "model": "flux.2-pro", "size": "128x128", "n": 1, "seed": 0}


def drawn(count: int) -> dict[str, Any]:
    """A graph of about ``count`` nodes in API format."""
    graph: dict[str, Any] = {
        str(PAID): {"class_type": "LumenfallGenerate", "inputs": INPUTS},
        str(TEXT): {"class_type": "PrimitiveString", "inputs": {"value": "x"}},
    }
    last = PAID
    for number in range(FIRST, FIRST + count - 2, 2):
        inputs = {"image": [str(last), 0], "upscale_method": "area", "scale_by": 1.0}
        graph[str(number)] = {"class_type": "ImageScaleBy", "inputs": inputs}
        graph[str(number + 1)] = {"class_type": "PreviewAny", "inputs": {"source": [str(TEXT), 0]}}
        last = number
    graph["save"] = {"class_type": "SaveImage", "inputs": {"images": [str(last), 0], "filename_prefix": "fox"}}
    return graph


def cpu_of(folder: Path, command: str, count: int) -> float:
    (folder / "graph.json").write_text(json.dumps(drawn(count)))
    options = [] if command == "convert" else ["--sandbox"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "LUMENFALL_DATA_DIR": str(folder / "data")}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "nodes.headless", command, "graph.json", *options],
        cwd=folder,
        env=environ,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main(count: int) -> None:
    ratios = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for command in ("convert", "estimate", "check"):
            cpu_of(folder, command, 2)  # compiled files, and the journal's tables
            rounds = [[cpu_of(folder, command, nodes) for nodes in (2, count, 4 * count)] for _ in range(ROUNDS)]
            start, small, large = (min(column) for column in zip(*rounds, strict=True))
            ratios[command] = (large - start) / (small - start)
            print(f"{command}: start {start:.2f} s, {4 * count} nodes {large:.2f} s, ratio {ratios[command]:.1f}")
    told = " / ".join(f"{ratio:.1f}" for ratio in ratios.values())
    sum_up(f"{' / '.join(ratios)} of {4 * count} nodes, against {count}", f"{told} times", "4 times")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4000)
