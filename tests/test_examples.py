"""The example workflows: they run, their two forms agree, and they are fit to be shared."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nodes.headless import cli
from nodes.table import NODE_CLASS_MAPPINGS
from tests.templates import EXAMPLES, TEMPLATES, api, template, twin, ui

NAMES = sorted(TEMPLATES)


def run(
    source: str | Path, output: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *more: str
) -> tuple[int, dict[str, Any]]:
    """What `lumenfall run` returns and prints for an example, or a file."""
    path = twin(source) if isinstance(source, str) else source
    command = ["lumenfall", "run", str(path), "--sandbox", "--json", *more]
    monkeypatch.setattr("sys.argv", [*command, "--output", str(output)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert isinstance(stop.value.code, int)
    return stop.value.code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(("name", "count"), [("generate", 1), ("inpaint", 1), ("variations", 3)])
def test_an_example_makes_pictures_without_a_key(
    name: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed = run(name, tmp_path, monkeypatch, capsys)
    assert (code, printed["status"], printed["errors"]) == (0, "success", [])
    paths = [Path(path) for output in printed["outputs"].values() for path in output["images"]]
    assert len(paths) == count and all(tmp_path in path.parents for path in paths)
    with Image.open(paths[0]) as picture:
        assert json.loads(picture.info["prompt"]) == api(name)
        assert json.loads(picture.info["workflow"]) == ui(name)


def test_the_file_that_people_share_and_the_picture_that_it_makes_run_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = [twin("generate"), template("generate")]
    for number in range(3):
        _, printed = run(made[number], tmp_path, monkeypatch, capsys, "--input", str(EXAMPLES / "input"))
        ((path,),) = [output["images"] for output in printed["outputs"].values()]
        made.append(Path(path))
    pictures = [Image.open(path) for path in made[2:]]
    assert len({picture.tobytes() for picture in pictures}) == 1
    assert [json.loads(picture.info["workflow"]) for picture in pictures] == [ui("generate")] * 3


@pytest.mark.parametrize("name", [name for name in NAMES if name != "mix-with-local-models"])
def test_the_file_that_people_share_gives_the_pixels_of_its_twin(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels: list[list[tuple[str, Any]]] = []
    for source in (name, template(name)):
        code, printed = run(source, tmp_path, monkeypatch, capsys, "--input", str(EXAMPLES / "input"))
        assert code == 0
        paths = {node_id: output["images"] for node_id, output in sorted(printed["outputs"].items())}
        # The sheet of a comparison says how many seconds each took.
        sheets = [node_id for node_id in paths if api(name)[node_id]["inputs"]["images"][1] == 1]
        pixels.append([])
        for node_id, path in [(key, path) for key, several in paths.items() for path in several]:
            with Image.open(path) as picture:
                pixels[-1].append((node_id, picture.size if node_id in sheets else picture.tobytes()))
    assert pixels[0] and pixels[0] == pixels[1]


def test_the_inpainted_example_is_untouched_outside_its_mask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, printed = run("inpaint", tmp_path, monkeypatch, capsys)
    (path,) = [path for output in printed["outputs"].values() for path in output["images"]]
    original = np.asarray(Image.open(EXAMPLES / "input" / "balloon.png"))
    made, kept = np.asarray(Image.open(path)), original[..., 3] == 255
    assert (made[kept] == original[..., :3][kept]).all() and (made[~kept] != original[..., :3][~kept]).any()


def test_a_changed_input_leaves_out_the_drawing_that_no_longer_tells_the_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, printed = run("generate", tmp_path, monkeypatch, capsys, "--set", "LumenfallGenerate.size=64x64")
    (path,) = [path for output in printed["outputs"].values() for path in output["images"]]
    with Image.open(path) as picture:
        assert picture.size == (64, 64) and "workflow" not in picture.info and "64x64" in picture.info["prompt"]


def test_the_example_with_local_models_is_sent_to_comfyui(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for source in ("mix-with-local-models", template("mix-with-local-models")):
        code, printed = run(source, tmp_path, monkeypatch, capsys)
        assert code == 3 and "ComfyUI" in printed["errors"][0]["hint"]
        assert "KSampler (node 7), UpscaleModelLoader (node 11)" in printed["errors"][0]["message"]


@pytest.mark.parametrize("name", NAMES)
def test_saved_widgets_match_the_nodes(name: str) -> None:
    """Values are stored by position: a node whose inputs moved would read them wrong."""
    graph = api(name)
    for node in ui(name)["nodes"]:
        if node["type"] not in NODE_CLASS_MAPPINGS:
            continue
        declared = NODE_CLASS_MAPPINGS[node["type"]].INPUT_TYPES()
        expected: list[tuple[str, Any]] = []
        for group in ("required", "optional"):
            for input_name, spec in declared.get(group, {}).items():
                is_widget = isinstance(spec[0], list) or spec[0] in ("STRING", "INT", "FLOAT", "BOOLEAN")
                if not is_widget or spec[-1].get("forceInput"):
                    continue
                expected.append((input_name, graph[str(node["id"])]["inputs"][input_name]))
                if spec[-1].get("control_after_generate"):
                    expected.append(("control_after_generate", "fixed"))
        assert node["widgets_values"] == [value for _, value in expected]
        assert node["properties"]["cnr_id"] == "lumenfall" and node["properties"]["ver"]


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_fit_to_be_shared(name: str) -> None:
    with Image.open(template(name).with_suffix(".jpg")) as thumbnail:
        assert thumbnail.format == "JPEG"
    for node in api(name).values():
        assert node["_meta"]["title"]
    text = template(name).read_text(encoding="utf-8") + json.dumps(api(name))
    assert not re.search(r"lmnfl_|sk-[A-Za-z0-9]|/home/|/Users/|[A-Z]:\\\\", text)


def test_every_template_has_a_name_that_people_read_and_says_where_the_key_goes() -> None:
    for folder in (EXAMPLES, EXAMPLES / "api"):
        assert {path.stem for path in folder.glob("*.json")} == set(TEMPLATES.values())
    for name in NAMES:
        assert re.fullmatch(r"[A-Z]\w+( [\w,()]+)+", TEMPLATES[name])
        (note,) = [node for node in ui(name)["nodes"] if node["type"] == "MarkdownNote"]
        assert "Settings > Lumenfall" in note["widgets_values"][0]
