from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest

from nodes.headless.playground import Playground, running
from nodes.headless.sandbox import Sandbox
from tests.spend.conftest import forget_databases

CLIENT = "a-tab"


@pytest.fixture
def frontend(tmp_path: Path) -> Path:
    """As much of a frontend as the server looks at."""
    folder = tmp_path / "frontend"
    for name in ("index.html", "assets/app-1.js", "scripts/app.js", "extensions/core/own.js"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"this is {name}")
    return folder


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


@pytest.fixture
def playground(tmp_path: Path, frontend: Path, sandbox: Sandbox) -> Iterator[Playground]:
    with running(tmp_path / "playground", frontend=frontend, sandbox=sandbox) as playground:
        yield playground
    forget_databases()


@pytest.fixture
def http(playground: Playground) -> Iterator[httpx.Client]:
    # Certificates are not needed on loopback, and loading them takes longer than most tests.
    with httpx.Client(base_url=playground.url, timeout=30, verify=False) as client:
        yield client


@dataclass(frozen=True)
class Heard:
    """What a browser heard of one prompt: (event, data) of the texts, (number, bytes) of the binary frames."""

    prompt_id: str
    texts: list[tuple[str, dict[str, Any]]]
    frames: list[tuple[int, bytes]]

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.texts]

    def all(self, event: str) -> list[dict[str, Any]]:
        return [data for name, data in self.texts if name == event]


Queue = Callable[..., Heard]


@pytest.fixture
def queue(playground: Playground) -> Queue:
    """Queues a graph as a browser does, and listens until its run is over. ``when(event, data)`` hears it live."""

    async def listen(body: dict[str, Any], when: Callable[[str, dict[str, Any]], None] | None) -> Heard:
        texts: list[tuple[str, dict[str, Any]]] = []
        frames: list[tuple[int, bytes]] = []
        async with (
            aiohttp.ClientSession(playground.url) as session,
            session.ws_connect(f"/ws?clientId={CLIENT}") as socket,
        ):
            await socket.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
            async with session.post("/api/prompt", json={"client_id": CLIENT, **body}) as answer:
                assert answer.status == 200, await answer.text()
                prompt_id = (await answer.json())["prompt_id"]
            async for message in socket:
                if message.type is aiohttp.WSMsgType.BINARY:
                    (number,) = struct.unpack_from(">I", message.data)
                    frames.append((number, message.data[4:]))
                    continue
                event, data = (parsed := json.loads(message.data))["type"], parsed["data"]
                texts.append((event, data))
                if when is not None:
                    await asyncio.to_thread(when, event, data)
                if event == "executing" and data["node"] is None:
                    break
        return Heard(prompt_id, texts, frames)

    def go(prompt: dict[str, Any], when: Callable[[str, dict[str, Any]], None] | None = None, **more: Any) -> Heard:
        return asyncio.run(asyncio.wait_for(listen({"prompt": prompt, **more}, when), timeout=30))

    return go


def generate(**inputs: Any) -> dict[str, Any]:
    """A picture from the server, saved."""
    asked = {"prompt": "a kite", "model": "gpt-image-2", "size": "1024x1024", "n": 1, "seed": 1, **inputs}
    return {
        "1": {"class_type": "LumenfallGenerate", "inputs": asked, "_meta": {"title": "The kite"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "kite"}},
    }


def copy(image: str = "balloon.png") -> dict[str, Any]:
    """A picture of the input folder, shown."""
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": image}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }
