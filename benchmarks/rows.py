"""A thousand rows as one command, at 128x128, with 32 in the air, against a sandbox in a process of its own that
takes 1 s for each: undisturbed, as a ratio to the server's own time and the start of the command; at most 1.15 is
wanted. Then the same again in another folder, killed twice on the way, by SIGKILL and by SIGTERM: is every row there
once, with one file, and none billed twice? Of 300 at most, since that takes no longer to find.

    python benchmarks/rows.py [ROWS]
"""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.stand_in import ROOT, StandIn, stand_in
from benchmarks.summary import sum_up

AT_ONCE, LATENCY = 32, 1.0
MOST_KILLED = 300

GRAPH = {
    "1": {
        "class_type": "LumenfallGenerate",
        "inputs": {"prompt": "", "model": "flux.2-pro", "size": "128x128", "n": 1, "seed": 0},
        "_meta": {"title": "Generate"},
    },
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "fox"}},
}


def started(place: Path, server: StandIn, rows: str, at_once: int = AT_ONCE) -> subprocess.Popen[str]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "LUMENFALL_BASE_URL": server.base_url}
    environ["LUMENFALL_DATA_DIR"] = str(place / "data")
    command = [sys.executable, "-m", "nodes.headless", "run", "graph.json", "--each", rows, "--jobs", str(at_once)]
    return subprocess.Popen([*command, "--json"], cwd=place, env=environ, stdout=subprocess.PIPE, text=True)


def prepare(place: Path, count: int, word: str) -> None:
    (place / "graph.json").write_text(json.dumps(GRAPH))
    (place / "one.csv").write_text(f"Generate.prompt\nthe first {word}\n")
    (place / "rows.csv").write_text("\n".join(["Generate.prompt", *(f"{word} {number}" for number in range(count))]))


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, _ = process.communicate()
    last: dict[str, Any] = json.loads(out.splitlines()[-1])
    return last


def undisturbed(count: int) -> None:
    with stand_in(LATENCY) as server, tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        prepare(place, count, "fox")
        ended(started(place, server, "one.csv"))  # compiled files, and the journal's first tables
        start = time.perf_counter()
        ended(started(place, server, "one.csv"))
        start = time.perf_counter() - start
        began = time.perf_counter()
        summary = ended(started(place, server, "rows.csv"))
        seconds = time.perf_counter() - began
        ideal = math.ceil(count / AT_ONCE) * LATENCY
        entries = [entry for entry in server.log() if entry["prompt"] != "the first fox"]
        busy = max(entry["finished"] for entry in entries) - min(entry["arrived"] for entry in entries)
        print(
            f"{count} rows: {len(summary['done'])} done in {seconds:.1f} s; start {start:.1f} s, server {ideal:.0f} s"
        )
        ratio = seconds / (ideal + start)
        print(f"ratio: {ratio:.3f}; from the first call to the last answer {busy:.1f} s")
        what = f"{count} rows of {LATENCY:g} s, {AT_ONCE} at once, against the server's own time and the start"
        sum_up(what, f"{seconds:.0f} s, {ratio:.2f} times", "1.15 times")


def killed(count: int) -> None:
    with stand_in(LATENCY) as server, tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        prepare(place, count, "hare")
        for number, until in ((signal.SIGKILL, count // 3), (signal.SIGTERM, count // 3)):
            process = started(place, server, "rows.csv")
            assert process.stdout is not None
            for _ in range(until):
                process.stdout.readline()
            process.send_signal(number)
            process.communicate()
            print(f"killed by {number.name}, which left {process.returncode}")
        summary = ended(started(place, server, "rows.csv"))
        with (place / "output" / "results.csv").open(newline="") as file:
            lines = list(csv.DictReader(file))
        bills = Counter(entry["prompt"] for entry in server.log() if entry["cost"])
        files = sorted(path.name for path in (place / "output").glob("fox_*.png"))
        named = sorted(name for line in lines for name in line["files"].split("\n") if name)
        by_status = Counter(line["status"] for line in lines)
        print(f"rows: {len(lines)}, {len({line['row'] for line in lines})} different; {dict(by_status)}")
        print(f"files: {len(files)}, as named: {files == named}, one a done row: {len(files) == by_status['done']}")
        print(f"billed: {sum(bills.values())} requests for {len(bills)} rows, most for one: {max(bills.values())}")
        in_air = [line for line in lines if line["status"] != "done"]
        known = all(line["charged"] and line["error"] for line in in_air)
        print(f"in the air at the kill: {len(in_air)}, each with what is known of its charge: {known}")
        cost = sum(float(line["cost"] or 0) for line in lines)
        paid = sum(entry["cost"] for entry in server.log())
        print(f"cost told: {cost:.2f} USD, billed: {paid:.2f} USD; status {summary['status']}")


if __name__ == "__main__":
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    undisturbed(rows)
    killed(min(rows, MOST_KILLED))
