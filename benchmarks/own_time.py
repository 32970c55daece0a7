"""What a node costs beyond the server's time: from the press on Run to the picture in the history, less what the server
took for it, at 0, 1 and 10 s a picture of 128x128; and for how long the host's event loop does not answer meanwhile. In
the playground, and in the ComfyUI of COMFYUI_DIR, started with COMFYUI_PYTHON, where these name one. At most 60 ms, and
20 of the loop, are wanted. ComfyUI collects garbage after a run, at most every 10 s, and answers nobody meanwhile.

    python benchmarks/own_time.py

The loop is asked for its queue again and again: the longest answer while a picture is made, against the longest while
nothing is.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.stand_in import ROOT, StandIn, stand_in
from benchmarks.summary import span, sum_up

LATENCIES = {0.0: 10, 1.0: 5, 10.0: 1}
"""Seconds, and how often."""

STARTED_WITHIN = 120.0


@contextlib.contextmanager
def host(server: StandIn, folder: Path, comfyui: str | None) -> Iterator[str]:
    """The address of a host whose nodes reach ``server``."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "LUMENFALL_BASE_URL": server.base_url}
    if comfyui:
        (folder / "custom_nodes").mkdir()
        ignored = shutil.ignore_patterns(".*", "output", "tests", "__pycache__")
        shutil.copytree(ROOT, folder / "custom_nodes" / "comfyui-lumenfall", ignore=ignored)
        command = [os.environ.get("COMFYUI_PYTHON", sys.executable), "main.py", "--cpu", "--disable-auto-launch"]
        command += ["--port", port, "--base-directory", str(folder)]
    else:
        command = [sys.executable, "-m", "nodes.headless", "playground", "--server", "--port", port]
        command += ["--output", str(folder)]
    log = (folder / "log").open("wb")
    process = subprocess.Popen(command, cwd=comfyui or folder, env=environ, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + STARTED_WITHIN
        while True:
            with contextlib.suppress(OSError):
                asked(f"{url}/queue")
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((folder / "log").read_text("utf-8", "replace")[-2000:])
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait()
        log.close()


def asked(url: str, content: Any = None) -> Any:
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"} if data else {})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def made(url: str, word: str) -> float:
    """Seconds for one picture."""
    inputs = {"prompt": word, "model": "flux.2-pro", "size": "128x128", "n": 1, "seed": 0}
    prompt = {
        "1": {"class_type": "LumenfallGenerate", "inputs": inputs},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "own"}},
    }
    started = time.perf_counter()
    prompt_id = asked(f"{url}/prompt", {"prompt": prompt, "client_id": "benchmark"})["prompt_id"]
    while not (entry := asked(f"{url}/history/{prompt_id}")):
        time.sleep(0.002)
    seconds = time.perf_counter() - started
    assert entry[prompt_id]["status"]["status_str"] == "success", entry
    return seconds


class Ticking:
    """Asks ``url`` for its queue all the time; ``longest`` is the longest answer since it was set back."""

    def __init__(self, url: str) -> None:
        self.longest = 0.0
        self._url = url
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        while not self._ended.wait(0.005):
            started = time.perf_counter()
            asked(f"{self._url}/prompt")
            self.longest = max(self.longest, time.perf_counter() - started)

    def __enter__(self) -> Ticking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def measure(name: str, comfyui: str | None) -> None:
    all_own, all_busy = [], []
    for latency, rounds in LATENCIES.items():
        with (
            stand_in(latency) as server,
            tempfile.TemporaryDirectory() as folder,
            host(server, Path(folder), comfyui) as url,
        ):
            made(url, "the first")  # the list of models, and the journal's tables
            before = len(server.log())
            seconds = [made(url, f"picture {number}") for number in range(rounds)]
            own = [
                whole - (entry["finished"] - entry["arrived"])
                for whole, entry in zip(seconds, server.log()[before:], strict=True)
            ]
            with Ticking(url) as ticking:
                time.sleep(1.0)
                idle, ticking.longest = ticking.longest, 0.0
                made(url, "while it ticks")
                busy = ticking.longest
        all_own.append(1000 * statistics.median(own))
        all_busy.append(1000 * busy)
        figures = [f"{1000 * value:.0f}" for value in (statistics.median(own), busy, idle)]
        print("| " + " | ".join([name, f"{latency:g}", *figures]) + " |", flush=True)
    sum_up(f"A node's own time in {name}", f"{span(all_own)} ms", "60 ms")
    sum_up(f"Longest that the loop of {name} does not answer meanwhile", f"{span(all_busy)} ms", "20 ms")


def main() -> None:
    print("| host | the server's time, s | a node's own, ms | longest answer meanwhile, ms | while idle, ms |")
    print("|---" * 5 + "|")
    measure("a playground", None)
    if "COMFYUI_DIR" in os.environ:
        measure("a ComfyUI", os.environ["COMFYUI_DIR"])


if __name__ == "__main__":
    main()
