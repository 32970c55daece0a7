"""The pack's routes as a page sees them, and a graph to run."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import torch

from nodes.headless.host import Headless, running_node
from nodes.host import use
from nodes.spend import Journal
from nodes.table import NODE_CLASS_MAPPINGS

KEY = "lmnfl_routes01.the-secret-part-of-a-key"
OTHER = "lmnfl_routes02.another-secret-for-another"
HEADERS = {"X-Lumenfall": "1"}


class Routes:
    """The routes at ``url`` for a host with the private folder ``data_dir``."""

    def __init__(self, url: str, host: Headless) -> None:
        self.http = httpx.Client(base_url=f"{url}/lumenfall", headers=HEADERS, trust_env=False)
        self.host = host
        self.data_dir = host.data_dir()

    def get(self, path: str, status: int = 200) -> Any:
        answer = self.http.get(path)
        assert answer.status_code == status, answer.text
        assert answer.headers["cache-control"] == "no-store"
        return answer.json()

    def post(self, path: str, body: Any, status: int = 200) -> Any:
        answer = self.http.post(path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    @property
    def file(self) -> dict[str, Any]:
        return dict(json.loads((self.data_dir / "settings.json").read_text("utf-8")))

    @property
    def journal(self) -> Journal:
        return Journal(self.data_dir)

    def run(self, node_id: str, graph: dict[str, Any], **inputs: Any) -> None:
        """Run a node of a graph, as the executor does."""
        node = NODE_CLASS_MAPPINGS[node_id]

        async def go() -> None:
            running_node.set("1")
            await getattr(node(), node.FUNCTION)(**inputs, graph=graph, png_info={})

        with use(self.host), torch.inference_mode():
            asyncio.run(go())


GENERATE = {"prompt": "a kite", "model": "gpt-image-2", "size": "64x64", "n": 1, "seed": 1}
GRAPH = {
    "1": {"class_type": "LumenfallGenerate", "inputs": {**GENERATE, "options": ["2", 0]}, "_meta": {"title": "Kite"}},
    "2": {"class_type": "LumenfallOptions", "inputs": {"quality": "low"}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}},
}
