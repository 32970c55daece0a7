"""All that is measured, one after the other, in under ten minutes on two cores that do nothing else: each prints ratios
within its own run.

    python -m benchmarks
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent

RUNS = (
    ("Importing the pack", "importing.py"),
    ("A picture out and back", "pixels.py"),
    ("A purchase and a replay, against a bare client", "journal.py"),
    ("A node's own time", "own_time.py"),
    ("Many calls in the journal", "ledger.py", "1000", "100000"),
    ("Many paid nodes in a graph", "executing.py", "60"),
    ("Many rows", "rows.py", "300"),
    ("Large graphs on the command line", "large_graphs.py"),
    ("In the browser", "browser.py"),
)


def main() -> int:
    failed = []
    for title, name, *arguments in RUNS:
        started = time.monotonic()
        print(f"## {title}\n", flush=True)
        if subprocess.run([sys.executable, FOLDER / name, *arguments]).returncode:
            failed.append(name)
        print(f"\n({time.monotonic() - started:.0f} s)\n", flush=True)
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
