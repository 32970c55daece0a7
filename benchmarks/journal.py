"""What safety costs: a picture bought through the node, and one replayed, against the bare way of other clients, which
post, download and decode and keep nothing. All on the sandbox, in turns, so that only ratios count.

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

from nodes.headless.host import Headless
from nodes.headless.sandbox import running
from nodes.host import use
from nodes.table import NODE_CLASS_MAPPINGS

ASKED: dict[str, Any] = {"prompt": "a red fox", "model": "gpt-image-2", "size": "1024x1024", "n": 1}


def bare(base_url: str, seed: int) -> torch.Tensor:
    """The same request as the node's, without a journal."""
    with httpx.Client(trust_env=False) as client:
        body = {**ASKED, "seed": seed, "response_format": "url"}
        url = client.post(f"{base_url}/images/generations", json=body, timeout=60).json()["data"][0]["url"]
        pixels = np.asarray(Image.open(io.BytesIO(client.get(url).content)).convert("RGB"))
    return torch.from_numpy(pixels.astype(np.float32) / 255.0)[None]


def node(host: Headless, seed: int) -> torch.Tensor:
    generate = NODE_CLASS_MAPPINGS["LumenfallGenerate"]()
    with use(host):
        images: torch.Tensor = asyncio.run(generate.run(**ASKED, seed=seed))["result"][0]
    return images


def seconds(work: Callable[..., object], *arguments: object) -> float:
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


def main(rounds: int) -> None:
    with running() as sandbox, tempfile.TemporaryDirectory() as folder:
        host = Headless({"LUMENFALL_BASE_URL": sandbox.base_url, "LUMENFALL_DATA_DIR": folder})
        node(host, 0)
        bare(sandbox.base_url, 0)
        times: dict[str, list[float]] = {"bare": [], "bought": [], "replayed": []}
        for seed in range(1, rounds + 1):
            times["bare"].append(seconds(bare, sandbox.base_url, seed))
            times["bought"].append(seconds(node, host, seed))
            times["replayed"].append(seconds(node, host, seed))
        middle = {name: statistics.median(taken) for name, taken in times.items()}
    for name in ("bought", "replayed"):
        print(f"{name:9} {middle[name] / middle['bare']:5.2f} x the bare way ({middle[name] * 1000:.0f} ms)")
    print(f"{'bare':9} {middle['bare'] * 1000:5.0f} ms, of which the sandbox paints most; real models take seconds")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
