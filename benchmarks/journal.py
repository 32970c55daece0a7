"""What safety costs: a picture of 1024x1024 bought through the node, and one replayed, against the bare way of other
clients, which post, download and decode on one kept connection, and keep nothing; and against decoding alone. In turns,
on a sandbox in a process of its own. What that takes for the picture is in neither: a real model takes seconds, beside
which nothing else is seen. A replay may take 30 ms beyond decoding.

    python benchmarks/journal.py [ROUNDS]
"""

from __future__ import annotations

import asyncio
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.stand_in import stand_in
from benchmarks.summary import sum_up
from nodes.headless.host import Headless
from nodes.host import use
from nodes.pixels import decode
from nodes.table import NODE_CLASS_MAPPINGS

ASKED: dict[str, Any] = {"prompt": "a red fox", "model": "gpt-image-2", "size": "1024x1024", "n": 1}


def bare(client: httpx.Client, base_url: str, seed: int) -> bytes:
    """The same request as the node's, without a journal: the file, once it is a tensor too."""
    body = {**ASKED, "seed": seed, "response_format": "url"}
    url = client.post(f"{base_url}/images/generations", json=body, timeout=60).json()["data"][0]["url"]
    file = client.get(url).content
    decoded(file)
    return file


def decoded(file: bytes) -> torch.Tensor:
    """As other clients do it."""
    pixels = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))
    return torch.from_numpy(pixels.astype(np.float32) / 255.0)[None]


def node(host: Headless, seed: int) -> None:
    generate = NODE_CLASS_MAPPINGS["LumenfallGenerate"]()
    # As in ComfyUI's thread. In a main thread asyncio.run() sets a handler for Ctrl-C, and Python prints the tensor
    # into a message that nobody sees: ten milliseconds.
    loop = asyncio.new_event_loop()
    with use(host):
        loop.run_until_complete(generate.run(**ASKED, seed=seed))
    loop.close()


def milliseconds(work: Callable[..., object], *arguments: object) -> float:
    started = time.perf_counter()
    work(*arguments)
    return (time.perf_counter() - started) * 1000


def main(rounds: int) -> None:
    with (
        stand_in() as server,
        tempfile.TemporaryDirectory() as folder,
        httpx.Client(trust_env=False) as client,
    ):
        host = Headless({"LUMENFALL_BASE_URL": server.base_url, "LUMENFALL_DATA_DIR": folder})
        node(host, 0)
        bare(client, server.base_url, 0)
        times: dict[str, list[float]] = {"bare": [], "bought": [], "replayed": [], "decoded": []}
        files = {}
        for seed in range(1, rounds + 1):
            times["bare"].append(milliseconds(lambda: files.update({seed: bare(client, server.base_url, seed)})))  # noqa: B023
            times["bought"].append(milliseconds(node, host, seed))
            times["replayed"].append(milliseconds(node, host, seed))
            times["decoded"].append(milliseconds(decode, files.pop(seed)))
        served = [(entry["finished"] - entry["arrived"]) * 1000 for entry in server.log()][2:]
    # The sandbox takes its time for both, and not always the same.
    times["bare"] = [whole - taken for whole, taken in zip(times["bare"], served[::2], strict=True)]
    times["bought"] = [whole - taken for whole, taken in zip(times["bought"], served[1::2], strict=True)]
    middle = {name: statistics.median(taken) for name, taken in times.items()}
    print(f"the server's own time: {statistics.median(served):.0f} ms, in none of these")
    print(", ".join(f"{name} {taken:.1f} ms" for name, taken in middle.items()))
    more, ratio = middle["bought"] - middle["bare"], middle["bought"] / middle["bare"]
    measured = f"{more:.0f} ms more, {ratio:.1f} times"
    sum_up("A picture of 1024² bought, against a bare client that keeps nothing, less the server's time", measured)
    beyond = middle["replayed"] - middle["decoded"]
    sum_up("A replay of 1024², beyond decoding it", f"{beyond:.0f} ms", "30 ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
