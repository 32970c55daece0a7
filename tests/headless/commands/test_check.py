"""`lumenfall check`: what a file gives away, and a copy that does not."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from nodes.headless.reading import content_of
from nodes.headless.sharing import names
from tests.headless.conftest import Command
from tests.templates import api, template, ui

KEY = "lmnfl_key_abc.TOPSECRET99"
OTHER = "sk-proj-0123456789abcdefghij"

Document = dict[str, Any]


@pytest.fixture(autouse=True)
def jane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names.getpass, "getuser", lambda: "jane")


def written(tmp_path: Path, content: Any, name: str = "w.json") -> str:
    (tmp_path / name).write_text(json.dumps(content, indent=2), encoding="utf-8")
    return name


def codes(found: list[Document]) -> list[str]:
    return sorted(each["code"] for each in found)


def check(command: Command, *arguments: str) -> tuple[int, Document]:
    printed = command("check", *arguments, "--sandbox", "--json")
    return printed.code, printed.json


def with_inputs(**inputs: Any) -> Document:
    """The example in API format with other inputs in its two nodes."""
    graph = api("generate")
    for node in graph.values():
        for name, value in inputs.items():
            if name in node["inputs"]:
                node["inputs"][name] = value
    return graph


def drawn(**values: Any) -> Document:
    """The same as the browser saves it: values of the widgets in their order."""
    content, twin = ui("generate"), api("generate")
    for node in content["nodes"]:
        for name, value in values.items():
            old = twin.get(str(node["id"]), {"inputs": {}})["inputs"].get(name)
            if old is not None and old in node.get("widgets_values", ()):
                node["widgets_values"][node["widgets_values"].index(old)] = value
    return content


PLANTED = [
    ("key", {"prompt": f"a sign that says {OTHER}"}, {"prompt": "a sign that says ***"}),
    ("private_path", {"prompt": "like /home/jane/cats/tom.png"}, {"prompt": "like tom.png"}),
    ("private_address", {"prompt": "see http://192.168.0.7:8188/view there"}, {"prompt": "see ... there"}),
    ("personal_name", {"filename_prefix": "jane/cats/Jane_tom"}, {"filename_prefix": "cats/tom"}),
    ("not_portable", {"filename_prefix": "12:30/cat?"}, {"filename_prefix": "12-30/cat-"}),
    ("dead_model", {"model": "gpt-image-22"}, {"model": "gpt-image-2"}),
]


@pytest.mark.parametrize(("code", "values", "mended"), PLANTED, ids=[each[0] for each in PLANTED])
@pytest.mark.parametrize("make", [with_inputs, drawn])
def test_what_is_private_or_dead_is_found_and_mended_in_the_files_own_form(
    command: Command, tmp_path: Path, make: Any, code: str, values: Document, mended: Document
) -> None:
    file = written(tmp_path, make(**values))
    status, found = check(command, file)
    (one,) = found["findings"]
    assert (status, found["status"], one["code"], one["fixable"]) == (1, "error", code, True)
    assert one["node_id"] and one["advice"]
    before = (tmp_path / file).read_bytes()
    status, found = check(command, file, "--fix")
    assert (status, found["written"], found["left"]) == (0, str(tmp_path / "w.shared.json"), [])
    assert json.loads((tmp_path / "w.shared.json").read_text(encoding="utf-8")) == make(**mended)
    assert (tmp_path / file).read_bytes() == before
    assert check(command, "w.shared.json")[0] == 0


@pytest.mark.parametrize(("code", "values", "mended"), PLANTED, ids=[each[0] for each in PLANTED])
@pytest.mark.parametrize("path", [["input", "workflow"], ["prompt"], ["input"]], ids="-".join)
def test_a_graph_that_is_sent_as_a_text_is_mended_in_it(
    command: Command, tmp_path: Path, path: list[str], code: str, values: Document, mended: Document
) -> None:
    def packed(graph: Document) -> Document:
        content: Any = json.dumps(graph)
        for name in reversed(path):
            content = {name: content}
        return {**content, "note": "x"}

    name = written(tmp_path, packed(with_inputs(**values)))
    end, found = check(command, name, "--fix")
    assert (end, codes(found["findings"]), found["left"]) == (0, [code], [])
    made = json.loads((tmp_path / "w.shared.json").read_text())
    for part in path:
        made = made[part]
    assert json.loads(made) == with_inputs(**mended)


def test_a_text_in_a_text_of_a_request_is_left_to_the_letter_where_nothing_is_to_mend(
    command: Command, tmp_path: Path
) -> None:
    request = {"input": json.dumps({"prompt": json.dumps(with_inputs(), indent=3)}), "id": "/home/jane/x.png"}
    name = written(tmp_path, request)
    assert check(command, name, "--fix")[0] == 0
    assert json.loads((tmp_path / "w.shared.json").read_text()) == {**request, "id": "x.png"}


def test_nothing_to_mend_is_told_with_the_price(command: Command) -> None:
    printed = command("check", str(template("generate")), "--sandbox")
    assert printed.code == 0 and "Nothing to mend." in printed.out and "To run it costs about 0.0" in printed.out


def test_the_users_own_key_is_found_anywhere_and_shown_nowhere(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "0a1b2c3d-no-known-form"
    monkeypatch.setenv("LUMENFALL_API_KEY", key)
    content = drawn()
    content["extra"]["note"] = {"deep": [f"x{key}"]}
    file = written(tmp_path, content)
    printed = command("check", file, "--fix", "--sandbox")
    assert printed.code == 0 and "your own API key" in printed.out and key not in printed.out + printed.err
    assert key not in (tmp_path / "w.shared.json").read_text(encoding="utf-8")


def test_a_secret_is_told_by_the_name_of_its_input(command: Command, tmp_path: Path) -> None:
    node = {"class_type": "SomeApiNode", "inputs": {"api_key": "0123abcd4567", "model": "x", "images": ["1", 0]}}
    file = written(tmp_path, {**api("generate"), "77": node})
    _, found = check(command, file, "--fix")
    assert codes(found["findings"]) == ["key", "unknown_node"] and codes(found["left"]) == ["unknown_node"]
    made = json.loads((tmp_path / "w.shared.json").read_text(encoding="utf-8"))
    assert made["77"]["inputs"] == {"api_key": "***", "model": "x", "images": ["1", 0]}


@pytest.mark.parametrize("title", ["API key", None])
@pytest.mark.parametrize("form", ["api", "browser"])
def test_a_secret_in_a_node_of_its_own_is_told_by_its_title_or_where_it_goes(
    command: Command, tmp_path: Path, title: str | None, form: str
) -> None:
    secret = "4f3c2b1a9e8d7c6b5a4f3e2d1c0b9a88"
    if form == "api":
        holder = {"class_type": "PrimitiveString", "inputs": {"value": secret}}
        if title:
            graph = {**api("generate"), "8": {**holder, "_meta": {"title": title}}}
        else:
            graph = {**api("generate"), "8": holder, "9": {"class_type": "Odd", "inputs": {"api_key": ["8", 0]}}}
    else:
        graph = drawn()
        odd = {"id": 80, "type": "PrimitiveString", "widgets_values": [secret], "title": title}
        out = {"name": "STRING", "type": "STRING", "links": [] if title else [99]}
        graph["nodes"].append({**odd, "outputs": [out]})
        if not title:
            taken = {"name": "api_key", "type": "STRING", "link": 99}
            graph["nodes"].append({"id": 81, "type": "Odd", "inputs": [taken]})
            graph["links"].append([99, 80, 0, 81, 0, "STRING"])
    check(command, written(tmp_path, graph), "--fix")
    assert secret not in (tmp_path / "w.shared.json").read_text(encoding="utf-8")


def test_a_secret_is_found_by_its_name_in_any_corner(command: Command, tmp_path: Path) -> None:
    """In what packs keep beside the nodes, as a name, and in an address that only its author can mend."""
    content = drawn()
    content["extra"]["pack"] = {"api_key": "0123abcd4567", "by": {"sk-abcdefghijklmnopqrstuv": 1}}
    odd = {"id": 80, "type": "Odd", "properties": {"token_of_hub": "x", "authToken": "0123abcd4567"}}
    odd["inputs"] = [{"name": "url", "type": "STRING", "link": None, "widget": {"name": "url"}}]
    odd["widgets_values"] = ["http://ann:pa55word@nas:9000/x"]
    content["nodes"].append(odd)
    _, found = check(command, written(tmp_path, content), "--fix")
    assert codes(found["findings"]) == ["key"] * 4 + ["private_address", "unknown_node"]
    made = json.loads((tmp_path / "w.shared.json").read_text(encoding="utf-8"))
    assert made["extra"]["pack"] == {"api_key": "***", "by": {"***": 1}}
    assert made["nodes"][-1]["widgets_values"] == ["http://***@nas:9000/x"]
    assert made["nodes"][-1]["properties"] == {"token_of_hub": "x", "authToken": "***"}


def test_a_key_after_a_line_break_is_not_shown(command: Command, tmp_path: Path) -> None:
    graph = api("generate")
    for node in graph.values():
        node["_meta"] = {"title": "Cat\nsk-abcdefghijklmnop1234"}
    graph["91"] = {"class_type": "Odd", "inputs": {}, "_meta": {"title": "Cat\nsk-abcdefghijklmnop1234"}}
    for more in ((), ("--json",)):
        printed = command("check", written(tmp_path, graph), "--sandbox", *more)
        assert "sk-abc" not in printed.out + printed.err and "Cat" in printed.out


def test_what_cannot_be_mended_is_told_and_left(command: Command, tmp_path: Path) -> None:
    graph = api("inpaint")
    graph["91"] = {"class_type": "Odd", "inputs": {"url": "http://nas:9000/x"}, "_meta": {"cnr_id": "odd-pack"}}
    ours = next(name for name, node in graph.items() if node["class_type"] == "LumenfallInpaint")
    graph[ours]["inputs"] |= {"n": 400, "of_old": 1}
    status, found = check(command, written(tmp_path, graph), "--fix")
    left = ["picture_stays", "private_address", "unknown_node", "value_bigger_than_max"]
    assert (status, codes(found["left"])) == (1, left)
    assert codes(found["findings"]) == sorted([*left, "unknown_input"])
    assert any("odd-pack" in each["message"] for each in found["left"])
    assert all(each["node_id"] for each in found["findings"])
    made = json.loads((tmp_path / "w.shared.json").read_text(encoding="utf-8"))
    assert "of_old" not in made[ours]["inputs"] and made["91"] == graph["91"]


def test_a_value_that_a_primitive_hands_on_is_mended_where_it_stands(command: Command, tmp_path: Path) -> None:
    content = drawn()
    (ours,) = [node for node in content["nodes"] if node["type"] == "LumenfallGenerate"]
    slot = next(at for at, socket in enumerate(ours["inputs"]) if socket["name"] == "model")
    ours["inputs"][slot]["link"] = 900
    primitive = {"id": 90, "type": "PrimitiveNode", "widgets_values": ["gpt-image-22", "fixed"], "inputs": []}
    primitive["outputs"] = [{"name": "COMBO", "type": "COMBO", "links": [900]}]
    content["nodes"].append(primitive)
    content["links"].append([900, 90, 0, ours["id"], slot, "COMBO"])
    status, found = check(command, written(tmp_path, content), "--fix")
    assert (status, codes(found["findings"])) == (0, ["dead_model"])
    made = json.loads((tmp_path / "w.shared.json").read_text(encoding="utf-8"))
    assert made["nodes"][-1]["widgets_values"] == ["gpt-image-2", "fixed"]


def test_without_a_server_the_models_are_not_judged_and_that_is_told(command: Command, tmp_path: Path) -> None:
    file = written(tmp_path, with_inputs(model="gpt-image-22"))
    printed = command("check", file, "--json")
    assert printed.code == 0 and printed.json["findings"] == []
    assert printed.json["models"]["checked"] is False and "API key" in printed.json["models"]["reason"]
    # What is known to have ended is told all the same.
    ended = command("check", written(tmp_path, with_inputs(model="dall-e-3"), "old.json"), "--json").json
    assert codes(ended["findings"]) == ["dead_model"]


@pytest.mark.parametrize("ending", ["png", "webp", "jpg"])
def test_a_picture_stays_a_picture_with_its_pixels(command: Command, tmp_path: Path, ending: str) -> None:
    secret = with_inputs(prompt=f"a sign: {OTHER}", filename_prefix="jane_cat")
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    picture, file = Image.fromarray(pixels), tmp_path / f"a.{ending}"
    texts = {"prompt": json.dumps(secret), "workflow": json.dumps(drawn(filename_prefix="jane_cat"))}
    if ending == "png":
        info = PngInfo()
        for name, text in texts.items():
            info.add_text(name, text)
        receipt = {"model": "gpt-image-2", "cost": 0.04, "currency": "USD", "request_id": "req_1", "server": "x"}
        info.add_text("lumenfall", json.dumps({"1": [receipt]}))
        info.add_text("Comment", "made in /home/bob/art", zip=True)
        info.add_itxt("Caf\u00e9", "from C:\\Users\\Bob Doe\\art.txt", zip=True)
        picture.save(file, pnginfo=info)
    else:
        exif = Image.Exif()
        exif[0x010F], exif[0x0110] = (f"{name}:{text}" for name, text in texts.items())
        picture.save(file, exif=exif, quality=90)
    status, found = check(command, file.name, "--fix")
    made = tmp_path / f"a.shared.{ending}"
    assert (status, found["left"]) == (0, [])
    assert {"key", "personal_name"} <= {each["code"] for each in found["findings"]}
    content = content_of(made.read_bytes(), "made")
    assert content.prompt == with_inputs(prompt="a sign: ***", filename_prefix="cat")
    assert content.drawn == drawn(filename_prefix="cat")
    with Image.open(file) as before, Image.open(made) as after:
        assert (after.format, after.tobytes()) == (before.format, before.tobytes())
        if ending == "png":
            receipts = json.loads(after.info["lumenfall"])
            assert receipts == {"1": [{"model": "gpt-image-2", "cost": 0.04, "currency": "USD"}]}
            assert after.info["Comment"] == "made in art" and after.info["Caf\u00e9"] == "from art.txt"
    assert OTHER.encode() not in made.read_bytes() and b"jane" not in made.read_bytes()


def test_a_copy_overwrites_nothing_and_is_named(command: Command, tmp_path: Path) -> None:
    file = written(tmp_path, with_inputs(filename_prefix="jane"))
    (tmp_path / "w.shared.json").write_text("mine")
    printed = command("check", file, "--fix", "--sandbox")
    assert printed.code == 2 and "is there already" in printed.err
    assert (tmp_path / "w.shared.json").read_text() == "mine"
    assert command("check", file, "--fix", "--output", "x.json", "--sandbox").code == 0
    assert json.loads((tmp_path / "x.json").read_text()) == with_inputs(filename_prefix="ComfyUI")


def test_what_is_no_workflow_is_told_at_once(command: Command, tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text("[1")
    printed = command("check", "w.json", "--json")
    assert printed.code == 2 and printed.json["errors"][0]["code"] == "INVALID_WORKFLOW"


def test_group_nodes_and_muted_ones_are_looked_at_too(command: Command, tmp_path: Path) -> None:
    content = drawn()
    content["nodes"] += [
        {"id": 80, "type": "workflow>Mine", "widgets_values": []},
        {"id": 81, "type": "Odd", "mode": 2, "title": f"Bearer {KEY}", "properties": {"aux_id": "some/pack"}},
        {"id": 82, "type": "KSampler", "mode": 4},
    ]
    status, found = check(command, written(tmp_path, content))
    assert status == 1 and codes(found["findings"]) == ["group_node", "key", "not_exportable", "unknown_node"]
    assert found["estimate"] is None and KEY not in json.dumps(found)


def test_every_picture_in_a_damaged_file_is_only_damaged(command: Command, tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("prompt", json.dumps(api("generate")))
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG", pnginfo=info)
    for cut in range(len(buffer.getvalue()) - 90, len(buffer.getvalue()), 10):
        (tmp_path / "a.png").write_bytes(buffer.getvalue()[:cut])
        printed = command("check", "a.png", "--sandbox", "--json")
        assert printed.code in (0, 2) and printed.json["status"]


def test_a_file_that_is_nested_without_end_is_refused(command: Command, tmp_path: Path) -> None:
    deep: Any = "x"
    for _ in range(900):
        deep = [deep]
    graph = api("generate")
    graph["2"]["_meta"]["deep"] = deep
    assert command("check", written(tmp_path, graph), "--sandbox").code in (0, 2)


@pytest.mark.parametrize("content", [{"nodes": [3]}, {"nodes": [{"id": 1}]}, {"nodes": [], "links": 5}])
def test_a_file_that_no_browser_has_saved_is_told(command: Command, tmp_path: Path, content: Document) -> None:
    printed = command("check", written(tmp_path, content), "--json", "--sandbox")
    (error,) = printed.json["errors"]
    assert (printed.code, error["code"]) == (2, "MALFORMED_WORKFLOW") and "Error" not in error["message"]


@pytest.mark.parametrize("mode", ["1e999", "NaN", "-Infinity"])
def test_odd_numbers_are_told_or_written_as_a_browser_reads_them(command: Command, tmp_path: Path, mode: str) -> None:
    text = json.dumps(drawn()).replace('"mode": 0', f'"mode": {mode}', 1)
    (tmp_path / "w.json").write_text(text)
    for name in ("check", "run", "estimate", "convert"):
        printed = command(name, "w.json", *(["--sandbox"] if name != "convert" else []))
        assert printed.code == 2 and "the mode of node" in printed.err and "Error" not in printed.err
    content = drawn(filename_prefix="jane")
    content["extra"]["odd"] = {"zoom": 0}
    (tmp_path / "v.json").write_text(json.dumps(content).replace('"zoom": 0', f'"zoom": {mode}'))
    assert command("check", "v.json", "--fix", "--sandbox").code == 0

    def refuse(name: str) -> None:
        raise AssertionError(name)

    made = json.loads((tmp_path / "v.shared.json").read_text(), parse_constant=refuse)
    assert made["extra"]["odd"] == {"zoom": None}


IDS = ("sk-abcdefghijklmnopqrstuv", "sk-zyxwvutsrqponmlkjihgf")


@pytest.mark.parametrize("form", ["api", "browser"])
def test_nodes_whose_ids_are_keys_stay_apart_with_their_links(command: Command, tmp_path: Path, form: str) -> None:
    ours, save = api("generate").values()
    other = {**ours, "inputs": {**ours["inputs"], "seed": 77}}
    content: Document = {
        IDS[0]: ours,
        IDS[1]: other,
        "3": {**save, "inputs": {**save["inputs"], "images": [IDS[0], 0]}},
        "4": {**save, "inputs": {**save["inputs"], "images": [IDS[1], 0]}},
    }
    if form == "browser":
        nodes = [
            {"id": name, "type": "LumenfallGenerate", "outputs": [{"name": "images", "type": "IMAGE"}]} for name in IDS
        ]
        for number in (3, 4):
            taken = [{"name": "images", "type": "IMAGE", "link": number}]
            nodes.append({"id": number, "type": "PreviewImage", "inputs": taken})
        links = [[3, IDS[0], 0, 3, 0, "IMAGE"], [4, IDS[1], 0, 4, 0, "IMAGE"]]
        for node, values in zip(nodes, (ours["inputs"], other["inputs"]), strict=False):
            named = {name: value for name, value in values.items() if not isinstance(value, list)}
            node["widgets_values"] = list(named.values())
        content = {"nodes": nodes, "links": links, "extra": {"of": {IDS[0]: 1, IDS[1]: 2, "***": 3}}}
    _, found = check(command, written(tmp_path, content), "--fix")
    made = json.loads((tmp_path / "w.shared.json").read_text())
    assert "key" in codes(found["findings"]) and not any(name in json.dumps(made) for name in IDS)
    if form == "api":
        first, second = made["3"]["inputs"]["images"][0], made["4"]["inputs"]["images"][0]
        assert (made[first]["inputs"]["seed"], made[second]["inputs"]["seed"]) == (ours["inputs"]["seed"], 77)
        assert len(made) == 4
    else:
        first, second = (link[1] for link in made["links"])
        assert first != second and [node["id"] for node in made["nodes"]] == [first, second, 3, 4]
        assert sorted(made["extra"]["of"].values()) == [1, 2, 3] and made["extra"]["of"]["***"] == 3


def test_ids_that_are_there_twice_are_told(command: Command, tmp_path: Path) -> None:
    content = drawn()
    content["nodes"].append({**content["nodes"][0]})
    _, found = check(command, written(tmp_path, content))
    (one,) = [each for each in found["findings"] if each["code"] == "duplicate_id"]
    assert one["node_id"] == str(content["nodes"][0]["id"]) and not one["fixable"]
    name, node = next(iter(api("generate").items()))
    (tmp_path / "w.json").write_text(f'{{"{name}": {json.dumps(node)}, {json.dumps(api("generate"))[1:]}')
    assert codes(check(command, "w.json")[1]["findings"]) == ["duplicate_id"]


def circular() -> Document:
    scaled = {"upscale_method": "area", "scale_by": 1.0}
    return {
        "1": {"class_type": "ImageScaleBy", "inputs": {"image": ["2", 0], **scaled}},
        "2": {"class_type": "ImageScaleBy", "inputs": {"image": ["1", 0], **scaled}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    }


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (circular(), "dependency_cycle"),
        ({"1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}}}, None),
        ({"nodes": [], "links": []}, None),
        ({"nodes": [{"id": 1, "type": "Note", "widgets_values": ["hello"]}], "links": []}, None),
        (with_inputs(prompt=" "), "invalid_input"),
        (with_inputs(size="bogus"), "invalid_input"),
    ],
    ids=["cycle", "no output", "empty", "note", "prompt", "size"],
)
def test_what_a_run_would_refuse_is_told(command: Command, tmp_path: Path, content: Document, code: str | None) -> None:
    file = written(tmp_path, content)
    status, found = check(command, file)
    assert (status, codes(found["findings"])) == (1, [code or "prompt_no_outputs"])
    assert command("run", file, "--sandbox", "--json").code == 2


def test_what_a_run_would_leave_out_is_not_told_as_refused(command: Command, tmp_path: Path) -> None:
    """What only shows something and is given nothing, and what leads to no output."""
    graph = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "p"}},
        "3": {"class_type": "PreviewAny", "inputs": {}},
        "4": {"class_type": "ImageScaleBy", "inputs": {"image": ["1", 0]}},
    }
    (tmp_path / "w.json").write_text(json.dumps(graph))
    assert command("run", "w.json", "--json").json["status"] == "success"
    assert command("check", "w.json", "--sandbox", "--json").json["findings"] == []


def joined(first: str, second: str, **more: Any) -> Document:
    """Two texts in nodes of their own, put together."""
    concatenate = {"string_a": ["10", 0], "string_b": ["11", 0], "delimiter": "", **more}
    return {
        **api("generate"),
        "10": {"class_type": "PrimitiveString", "inputs": {"value": first}},
        "11": {"class_type": "PrimitiveStringMultiline", "inputs": {"value": second}},
        "12": {"class_type": "StringConcatenate", "inputs": concatenate},
    }


@pytest.mark.parametrize("goes_to", ["api_key", "text"])
@pytest.mark.parametrize(
    ("first", "second"), [("0123abcd4567", "89efcdab0011"), ("sk-proj-012345", "6789abcdefghij")], ids=["odd", "known"]
)
def test_a_key_that_is_put_together_of_pieces_is_found(
    command: Command, tmp_path: Path, goes_to: str, first: str, second: str
) -> None:
    graph = joined(first, second)
    graph["13"] = {"class_type": "Odd", "inputs": {goes_to: ["12", 0]}}
    _, found = check(command, written(tmp_path, graph), "--fix")
    made = json.loads((tmp_path / "w.shared.json").read_text())
    is_key = goes_to == "api_key" or first.startswith("sk-")
    assert ("key" in codes(found["findings"])) is is_key
    assert [made[name]["inputs"]["value"] for name in ("10", "11")] == (["***"] * 2 if is_key else [first, second])


def test_texts_that_are_put_together_without_end_are_let_be(command: Command, tmp_path: Path) -> None:
    graph = joined("a", "b")
    for number in range(100, 160):
        before = "12" if number == 100 else str(number - 1)
        both = {"string_a": [before, 0], "string_b": [before, 0], "delimiter": ""}
        graph[str(number)] = {"class_type": "StringConcatenate", "inputs": both}
    assert check(command, written(tmp_path, graph))[0] == 0
