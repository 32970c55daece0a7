"""Where the browser tests run: the playground, or a real ComfyUI, each with the sandbox API behind it."""

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
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nodes.headless.host import Headless
from nodes.headless.sandbox import Sandbox, running
from nodes.purchase.session import Session
from nodes.spend import Journal

PACK = Path(__file__).parents[2]
EXAMPLES = PACK / "example_workflows"


class Site:
    """A running host at ``url``, whose private folder is ``data_dir``; its nodes reach ``sandbox``, which wants a
    key that nobody has given yet.
    """

    def __init__(self, url: str, data_dir: Path, sandbox: Sandbox, log: Callable[[], str]) -> None:
        self.url = url
        self.data_dir = data_dir
        self.sandbox = sandbox
        self.log = log

    @property
    def settings_file(self) -> Path:
        return self.data_dir / "settings.json"

    @property
    def journal(self) -> Journal:
        journal = Session(Headless({"LUMENFALL_DATA_DIR": str(self.data_dir)})).journal
        return journal

    def configure(self, **settings: Any) -> None:
        """Set what the settings dialog would write: the sandbox and its key, and ``settings``."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        content = {"base_url": self.sandbox.base_url, "api_key": KEY, **settings}
        # In one go, as the pack does: a page that starts may read them meanwhile.
        fresh = self.settings_file.with_suffix(".new")
        fresh.write_text(json.dumps(content), encoding="utf-8")
        fresh.replace(self.settings_file)

    def get(self, path: str, **headers: str) -> bytes:
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}{path}", headers=headers), timeout=30) as answer:
            return bytes(answer.read())

    def json(self, path: str) -> Any:
        return json.loads(self.get(path))

    def route(self, path: str) -> Any:
        """What one of the pack's own routes answers."""
        return json.loads(self.get(f"/lumenfall{path}", **{"X-Lumenfall": "1"}))

    def post(self, path: str, content: Any) -> None:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}{path}", json.dumps(content).encode(), headers)
        urllib.request.urlopen(request, timeout=30).close()


KEY = "lmnfl_e2e00001.browser-test-secret-0001"


@contextmanager
def playground(root: Path, frontend: Path | None) -> Iterator[Site]:
    """The playground, with the frontend in ``frontend`` or the installed one."""
    from nodes.headless.playground import running as serving

    with running(api_key=KEY) as sandbox, serving(root, frontend=frontend) as served:
        data_dir = served.folders.private
        served.overrides = {
            "LUMENFALL_DATA_DIR": str(data_dir),
            "LUMENFALL_BASE_URL": None,
            "LUMENFALL_API_KEY": None,
            "LUMENFALL_CONFIG_DIR": str(root / "no-login"),
        }
        yield Site(served.url, data_dir, sandbox, lambda: "")


@contextmanager
def real_comfyui(base: Path, frontend: Path | None) -> Iterator[Site]:
    """The ComfyUI in COMFYUI_DIR, with this pack as its only custom node."""
    (base / "custom_nodes").mkdir()
    ignored = shutil.ignore_patterns(".*", "output", "tests", "__pycache__")
    shutil.copytree(PACK, base / "custom_nodes" / "comfyui-lumenfall", ignore=ignored)
    shutil.copytree(EXAMPLES / "input", base / "input")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LUMENFALL_")}
    environ["LUMENFALL_CONFIG_DIR"] = str(base / "no-login")
    command = [os.environ.get("COMFYUI_PYTHON", sys.executable), "main.py", "--cpu", "--disable-auto-launch"]
    command += ["--listen", "127.0.0.1", "--port", str(port), "--base-directory", str(base)]
    command += ["--front-end-root", str(frontend)] if frontend else []
    log = base / "log"
    with running(api_key=KEY) as sandbox, log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=os.environ["COMFYUI_DIR"], env=environ, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            site = Site(url, base / "user" / "__lumenfall", sandbox, lambda: log.read_text("utf-8", "replace"))
            until(lambda: _answers(site) or process.poll() is not None, 180)
            assert process.poll() is None, site.log()[-3000:]
            yield site
        finally:
            process.terminate()
            process.wait(30)


def _answers(site: Site) -> bool:
    try:
        return bool(site.get("/system_stats"))
    except (urllib.error.URLError, ConnectionError):
        return False


def until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        threading.Event().wait(0.05)
