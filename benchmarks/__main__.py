"""All that is measured, one after the other, in under ten minutes on two cores that do nothing else. Each prints what
it has measured; all of it in one table comes last, and the plot of how things grow is ``output/growth.png``.

    python -m benchmarks
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.summary import table

FOLDER = Path(__file__).parent
PLOT = FOLDER.parent / "output" / "growth.png"

RUNS = (
    ("Until something happens", "starting.py"),
    ("A picture out and back", "pixels.py"),
    ("A purchase and a replay, against a bare client", "journal.py"),
    ("A node's own time", "own_time.py"),
    ("Many calls in the journal", "ledger.py", "100", "10000", "100000"),
    ("Many paid nodes in a graph", "executing.py", "60"),
    ("Many rows", "rows.py", "1000"),
    ("Large graphs on the command line", "large_graphs.py"),
    ("In the browser", "browser.py"),
    ("How it grows", "growth.py", str(PLOT)),
)


def main() -> int:
    failed: list[str] = []
    lines: list[str] = []
    PLOT.parent.mkdir(exist_ok=True)
    began = time.monotonic()
    for title, name, *arguments in RUNS:
        started = time.monotonic()
        print(f"## {title}\n", flush=True)
        command = [sys.executable, str(FOLDER / name), *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                print(line, end="", flush=True)
                lines.append(line)
        if process.returncode:
            failed.append(name)
        print(f"\n({time.monotonic() - started:.0f} s)\n", flush=True)
    print(f"## In one table, after {time.monotonic() - began:.0f} s\n\n{table(lines)}")
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
