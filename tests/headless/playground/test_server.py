"""What the frontend asks for while it starts, and who may ask."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from nodes.errors import InputError
from nodes.headless.playground import Playground, running
from tests.headless.conftest import Command
from tests.headless.playground.conftest import Queue, generate
from tests.templates import template

ROOT = Path(__file__).parents[3]

ASKED_AT_START = (
    "user.css userdata/user.css users settings features system_stats extensions i18n object_info prompt queue history "
    "jobs global_subgraphs node_replacements workflow_templates embeddings models experiment/models internal/logs "
    "internal/logs/raw internal/folder_paths userdata?dir=workflows&recurse=true userdata?dir=subgraphs "
    "userdata/comfy.templates.json"
)


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_all_that_a_frontend_asks_for_at_start_is_there(http: httpx.Client, prefix: str) -> None:
    for path in ASKED_AT_START.split():
        assert http.get(f"{prefix}/{path}").status_code == 200, path
    for path in ("/", "/assets/app-1.js", "/scripts/app.js", "/templates/index.json", "/templates/index.fr.json"):
        assert http.get(path).status_code == 200, path


def test_the_start_page_is_the_frontends(http: httpx.Client) -> None:
    answer = http.get("/")
    assert answer.text == "this is index.html"
    assert answer.headers["cache-control"] == "no-store"


def test_the_packs_extension_is_listed_and_served_fresh(http: httpx.Client) -> None:
    listed = http.get("/api/extensions").json()
    assert {"/extensions/core/own.js", "/extensions/comfyui-lumenfall/js/lumenfall.js"} <= set(listed)
    modules = [f"/extensions/comfyui-lumenfall/js/{path.name}" for path in (ROOT / "web" / "js").glob("*.js")]
    for path in [*listed, *modules]:
        answer = http.get(path)
        assert answer.status_code == 200, path
        assert "javascript" in answer.headers["content-type"]
        assert answer.headers["cache-control"] == "no-store"


def test_one_module_tells_what_a_playground_is(http: httpx.Client) -> None:
    (notice,) = [path for path in http.get("/extensions").json() if "playground" in path]
    assert "For everything else, use ComfyUI" in http.get(notice).text


def test_nodes_are_described_as_comfyui_does(http: httpx.Client) -> None:
    known = http.get("/api/object_info").json()
    assert {"LumenfallGenerate", "LoadImage", "SaveImage", "InvertMask"} <= known.keys()
    assert known["LumenfallInpaint"]["display_name"] == "Inpaint Image"
    assert known["LumenfallInpaint"]["python_module"] == "custom_nodes.comfyui-lumenfall"
    assert known["LumenfallInpaint"]["output_name"] == ["images", "mask", "report"]
    assert known["SaveImage"]["output_node"] and known["SaveImage"]["python_module"] == "nodes"
    assert http.get("/api/object_info/LoadImage").json() == {"LoadImage": known["LoadImage"]}
    # What grows or changes in the browser is told as ComfyUI tells it.
    (kind, options) = known["BatchImagesNode"]["input"]["required"]["images"]
    assert (kind, options["template"]["prefix"], options["template"]["max"]) == ("COMFY_AUTOGROW_V3", "image", 50)
    (kind, options) = known["SaveImageAdvanced"]["input"]["required"]["format"]
    assert kind == "COMFY_DYNAMICCOMBO_V3"
    assert {one["key"]: list(one["inputs"]["required"]) for one in options["options"]} == {
        key: ["bit_depth", "input_color_space"] for key in ("png", "exr")
    }
    assert list(known["ImageCompare"]["input"]["required"]) == ["compare_view"]
    choices, options = known["LoadImage"]["input"]["required"]["image"]
    assert "balloon.png" in choices and options == {"image_upload": True}


def test_the_packs_own_routes_tell_of_the_playgrounds_sandbox(http: httpx.Client, queue: Queue) -> None:
    ours = {"X-Lumenfall": "1"}
    assert http.get("/api/lumenfall/models?refresh=true", headers=ours).json()["source"] == "server"
    estimate = http.post("/api/lumenfall/estimate", headers=ours, json={"prompt": generate()}).json()
    assert estimate["total"] > 0
    heard = queue(generate())
    (call,) = http.get("/lumenfall/calls", headers=ours).json()["calls"]
    assert (call["run_id"], call["node_title"]) == (heard.prompt_id, "The kite")


def test_the_examples_are_templates(http: httpx.Client) -> None:
    ((folder, names),) = http.get("/api/workflow_templates").json().items()
    name = template("generate").stem
    assert name in names
    assert http.get(f"/api/workflow_templates/{folder}/{name}.json").json()["nodes"]
    assert http.get(f"/api/workflow_templates/{folder}/{name}.jpg").headers["content-type"] == "image/jpeg"


def test_blueprints_and_translations_come_from_the_packs_folders(http: httpx.Client) -> None:
    listed = http.get("/api/global_subgraphs").json()
    assert sorted(one["name"] for one in listed.values()) == sorted(
        path.stem for path in (ROOT / "subgraphs").glob("*.json")
    )
    for name in listed:
        assert json.loads(http.get(f"/api/global_subgraphs/{name}").json()["data"])
    assert http.get("/api/i18n").json().keys() == {path.name for path in (ROOT / "locales").glob("*")}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "elsewhere.example", "Origin": "http://elsewhere.example"},
    ],
)
def test_other_sites_are_refused(http: httpx.Client, headers: dict[str, str]) -> None:
    for path in ("/", "/api/settings", "/ws"):
        assert http.get(path, headers=headers).status_code == 403
    assert http.post("/api/interrupt", headers=headers).status_code == 403


def test_its_own_page_is_not_refused(http: httpx.Client, playground: Playground) -> None:
    port = playground.url.rpartition(":")[2]
    for name in ("127.0.0.1", "localhost", "LOCALHOST"):
        origin = f"http://{name}:{port}"
        assert http.post(f"{origin}/api/interrupt", headers={"Origin": origin.lower()}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/extensions/comfyui-lumenfall/..%2F__init__.py",
        "/extensions/comfyui-lumenfall/js/..%2F..%2Fpyproject.toml",
        "/api/workflow_templates/comfyui-lumenfall/..%2FREADME.md",
        "/..%2Fplayground%2Fuser%2Fdefault%2Fcomfy.templates.json",
        "/api/userdata/..%2F__lumenfall%2Fsecret",
        "/api/userdata/..%252F__lumenfall%252Fsecret",
        "/api/userdata?dir=../__lumenfall",
        "/api/v2/userdata?path=../__lumenfall",
        "/api/v2/userdata?path=/etc",
        "/api/view?filename=../user/__lumenfall/secret",
        "/api/view?filename=secret&subfolder=../user/__lumenfall",
        "/api/view?filename=/etc/hostname",
        "/api/view?filename=%00",
        "/api/view?filename=../secret [input]",
        "/api/view?filename=secret&type=user",
    ],
)
def test_nothing_outside_of_its_folders_is_served(http: httpx.Client, playground: Playground, path: str) -> None:
    for folder in (playground.folders.private, playground.folders.root):
        folder.mkdir(exist_ok=True)
        (folder / "secret").write_text("the key")
    answer = http.get(path)
    assert answer.status_code in (400, 403, 404)
    assert "the key" not in answer.text


def test_the_command_serves_until_ctrl_c(frontend: Path, tmp_path: Path) -> None:
    arguments = ["playground", "--sandbox", "--port", "0", "--output", "out", "--frontend", str(frontend)]
    with subprocess.Popen(
        [sys.executable, "-m", "nodes.headless", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        url = next(word for word in words if word.startswith("http://127.0.0.1:"))
        assert httpx.get(f"{url}/api/prompt", verify=False).status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["input", "output", "temp", "user"]


def test_a_missing_frontend_is_told_by_the_command(command: Command, tmp_path: Path) -> None:
    printed = command("playground", "--sandbox", "--frontend", str(tmp_path), "--port", "0")
    assert (printed.code, printed.out) == (2, "")
    assert "has no index.html" in printed.err


def test_a_taken_port_is_told(playground: Playground, frontend: Path, tmp_path: Path) -> None:
    port = int(playground.url.rpartition(":")[2])
    with pytest.raises(OSError), running(tmp_path / "other", port=port, frontend=frontend):
        pass
    with pytest.raises(InputError, match="no frontend"), running(tmp_path / "other", frontend=tmp_path):
        pass
