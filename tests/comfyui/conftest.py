"""A real ComfyUI, where COMFYUI_DIR names a checkout and COMFYUI_PYTHON an interpreter that can run it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error, Page, sync_playwright

from nodes.headless.sandbox import Sandbox, running
from nodes.headless.sandbox.log import Received

PACK = Path(__file__).parents[2]
EXAMPLES = PACK / "example_workflows"
KEY = "lmnfl_id.comfyui-test-secret"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    if "COMFYUI_DIR" not in os.environ:
        pytest.skip("no real ComfyUI: set COMFYUI_DIR and COMFYUI_PYTHON to run these tests")


class ComfyUI:
    """One running ComfyUI with this pack as its only custom node, and the sandbox behind it."""

    def __init__(self, base: Path, sandbox: Sandbox) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self.base = base
        self.sandbox = sandbox
        self._process: subprocess.Popen[bytes] | None = None
        self._seen = 0

    def refresh(self) -> None:
        """Begin a test: no latency, no faults, and no requests yet. The server's own log stays whole."""
        self.sandbox.latency = 0.0
        self.sandbox.faults.clear()
        self._seen = len(self.sandbox.requests)

    @property
    def requests(self) -> list[Received]:
        """What this test has sent."""
        return self.sandbox.requests[self._seen :]

    def start(self) -> None:
        environ = {**os.environ, "LUMENFALL_BASE_URL": self.sandbox.base_url, "LUMENFALL_API_KEY": KEY}
        environ.pop("LUMENFALL_DATA_DIR", None)
        command = [os.environ.get("COMFYUI_PYTHON", sys.executable), "main.py", "--cpu", "--disable-auto-launch"]
        command += ["--listen", "127.0.0.1", "--port", str(self._port), "--base-directory", str(self.base)]
        with (self.base / "log").open("ab") as log:
            process = self._process = subprocess.Popen(
                command, cwd=os.environ["COMFYUI_DIR"], env=environ, stdout=log, stderr=subprocess.STDOUT
            )
        until(lambda: self._answers() or process.poll() is not None, 180)
        assert process.poll() is None, self.log[-3000:]

    def stop(self, *, by_force: bool = False) -> None:
        if self._process is not None:
            self._process.kill() if by_force else self._process.terminate()
            self._process.wait(30)

    def _answers(self) -> bool:
        try:
            return bool(self.json("/system_stats"))
        except (urllib.error.URLError, ConnectionError):
            return False

    @property
    def log(self) -> str:
        return (self.base / "log").read_text(encoding="utf-8", errors="replace")

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=30) as response:
            return bytes(response.read())

    def json(self, path: str) -> Any:
        return json.loads(self.get(path))

    def post(self, path: str, content: Any) -> Any:
        request = urllib.request.Request(
            f"{self.url}{path}", json.dumps(content).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            body = response.read()
            return json.loads(body) if body else None

    def queue(self, prompt: dict[str, Any]) -> str:
        """Queue an API-format graph. Raises HTTPError where ComfyUI refuses it."""
        return str(self.post("/prompt", {"prompt": prompt})["prompt_id"])

    def finished(self, prompt_id: str) -> dict[str, Any]:
        """The history entry of a prompt, once it has one."""
        found: dict[str, Any] = {}

        def ended() -> bool:
            found.update(self.json(f"/history/{prompt_id}"))
            return prompt_id in found

        until(ended, 60)
        entry: dict[str, Any] = found[prompt_id]
        return entry

    def run(self, prompt: dict[str, Any]) -> dict[str, Any]:
        return self.finished(self.queue(prompt))

    def pictures(self, entry: dict[str, Any]) -> list[bytes]:
        """The files that a run saved."""
        images = [image for output in entry["outputs"].values() for image in output.get("images", [])]
        return [self.get(f"/view?filename={i['filename']}&subfolder={i['subfolder']}&type={i['type']}") for i in images]


def until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        threading.Event().wait(0.05)


@pytest.fixture(scope="session")
def comfyui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyUI]:
    base = tmp_path_factory.mktemp("comfyui")
    (base / "custom_nodes").mkdir()
    (base / "input").mkdir()
    # As the registry ships it.
    left_out = (PACK / ".comfyignore").read_text(encoding="utf-8").replace("/", "").split()
    ignored = shutil.ignore_patterns(".*", "output", "build", "dist", "__pycache__", *left_out)
    shutil.copytree(PACK, base / "custom_nodes" / "comfyui-lumenfall", ignore=ignored)
    for picture in (EXAMPLES / "input").glob("*.png"):
        shutil.copy(picture, base / "input")
    with running(api_key=KEY) as sandbox:
        host = ComfyUI(base, sandbox)
        try:
            host.start()
            yield host
        finally:
            host.stop()


@pytest.fixture(autouse=True)
def refreshed(comfyui: ComfyUI) -> None:
    comfyui.refresh()


@pytest.fixture(scope="session")
def page(comfyui: ComfyUI) -> Iterator[Page]:
    """ComfyUI's page in Chromium, ready, and cut off from everything but its server."""
    comfyui.post("/settings/Comfy.TutorialCompleted", True)
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        except Error:
            pytest.skip("no Chromium: install it with apt, or with `playwright install chromium`")
        opened = browser.new_page(viewport={"width": 1600, "height": 900})
        local = (comfyui.url, "data:", "blob:")
        opened.route("**/*", lambda it: it.continue_() if it.request.url.startswith(local) else it.abort())
        opened.goto(comfyui.url, wait_until="domcontentloaded")
        # Set in this order: extensions are done, the graph is there, the last workflow is restored.
        ready = "() => window.app && window.graph && window.app.extensionManager?.spinner === false"
        opened.wait_for_function(ready, timeout=120_000)
        yield opened
        browser.close()
