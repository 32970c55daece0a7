"""Settings and saved workflows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx

from nodes.headless.playground import running


def test_settings_outlive_the_server(tmp_path: Path, frontend: Path) -> None:
    root = tmp_path / "p"
    with running(root, frontend=frontend) as playground, httpx.Client(base_url=playground.url, verify=False) as http:
        assert http.get("/api/settings").json() == {}
        assert http.get("/api/settings/a.b").json() is None
        assert http.post("/api/settings", json={"a.b": [1], "c": True}).status_code == 200
        assert http.post("/api/settings/c", json=False).status_code == 200
    with running(root, frontend=frontend) as playground, httpx.Client(base_url=playground.url, verify=False) as http:
        assert http.get("/api/settings").json() == {"a.b": [1], "c": False}
        assert http.get("/api/settings/a.b").json() == [1]


def test_a_workflow_is_saved_opened_moved_and_deleted(http: httpx.Client) -> None:
    saved = http.post("/api/userdata/workflows%2Fone.json?overwrite=false&full_info=true", content=b'{"a": 1}')
    assert saved.json()["path"] == "workflows/one.json" and saved.json()["size"] == 8
    assert saved.json()["modified"] > 1e12
    assert http.get("/api/userdata/workflows%2Fone.json").json() == {"a": 1}
    assert http.post("/api/userdata/workflows%2Fone.json?overwrite=false", content=b"{}").status_code == 409
    assert http.post("/api/userdata/workflows%252Fone.json", content=b"{}").json() == "workflows/one.json"

    moved = http.post("/api/userdata/workflows%2Fone.json/move/workflows%2Fdeep%2Ftwo.json?overwrite=false")
    assert moved.json() == "workflows/deep/two.json"
    assert http.get("/api/userdata/workflows%2Fone.json").status_code == 404
    http.post("/api/userdata/workflows%2Fone.json", content=b"{}")
    taken = http.post("/api/userdata/workflows%2Fone.json/move/workflows%2Fdeep%2Ftwo.json?overwrite=false")
    assert taken.status_code == 409
    assert http.delete("/api/userdata/workflows%2Fdeep%2Ftwo.json").status_code == 204
    assert http.delete("/api/userdata/workflows%2Fdeep%2Ftwo.json").status_code == 404
    assert http.post("/api/userdata/none/move/x").status_code == 404


def test_files_are_listed_in_every_form(http: httpx.Client) -> None:
    for name in ("a.json", "deep/b.json"):
        http.post(f"/api/userdata/{'workflows/' + name}".replace("workflows/", "workflows%2F").replace("p/b", "p%2Fb"))
    assert http.get("/api/userdata?dir=workflows").json() == ["a.json"]
    assert http.get("/api/userdata?dir=workflows&recurse=true").json() == ["a.json", "deep/b.json"]
    assert http.get("/api/userdata?dir=workflows&recurse=true&split=true").json() == [
        ["a.json", "a.json"],
        ["deep/b.json", "deep", "b.json"],
    ]
    (info,) = http.get("/api/userdata?dir=workflows&split=true&full_info=true").json()
    assert info["path"] == "a.json" and info["size"] == 0
    assert http.get("/api/userdata?dir=none").status_code == 404
    assert http.get("/api/userdata").status_code == 400

    found = http.get("/api/v2/userdata?path=workflows").json()
    assert [(one["type"], one["path"]) for one in found] == [
        ("directory", "workflows/deep"),
        ("file", "workflows/a.json"),
        ("file", "workflows/deep/b.json"),
    ]
    assert {"name", "size", "modified"} <= found[1].keys()
    assert "workflows" in [one["name"] for one in http.get("/api/v2/userdata").json()]
    assert http.get("/api/v2/userdata?path=none").status_code == 404
    assert http.get("/api/v2/userdata?path=workflows/a.json").status_code == 400


def test_saved_files_are_no_pages_of_the_server(http: httpx.Client) -> None:
    http.post("/api/userdata/evil.html", content=b"<script>alert(1)</script>")
    headers = http.get("/api/userdata/evil.html").headers
    assert headers["content-disposition"] == "attachment" and headers["content-type"] == "application/octet-stream"


def test_nothing_is_written_or_deleted_outside(http: httpx.Client, tmp_path: Path) -> None:
    victim = tmp_path / "playground" / "victim"
    victim.write_text("here")
    out = "..%2F..%2Fvictim"
    assert http.post(f"/api/userdata/{out}", content=b"gone").status_code == 403
    assert http.delete(f"/api/userdata/{out}").status_code == 403
    assert http.post(f"/api/userdata/{out}/move/a").status_code == 403
    http.post("/api/userdata/a", content=b"gone")
    assert http.post(f"/api/userdata/a/move/{out}").status_code == 403
    assert http.post("/api/userdata/workflows", content=b"").status_code == 400
    assert victim.read_text() == "here"


def test_a_stylesheet_of_ones_own_is_served(http: httpx.Client) -> None:
    assert http.get("/user.css").text == ""
    http.post("/api/userdata/user.css", content=b"body {}")
    for path in ("/user.css", "/api/userdata/user.css"):
        answer = http.get(path)
        assert answer.text == "body {}" and answer.headers["content-type"] == "text/css"


def test_of_two_that_save_a_new_file_one_is_told_that_it_is_there(http: httpx.Client) -> None:
    def slowly() -> Iterator[bytes]:
        yield b'{"slow": '
        # The server has heard of this one; the other is quicker.
        assert http.post(url, content=b'{"quick": 1}').status_code == 200
        yield b"1}"

    url = "/api/userdata/new.json?overwrite=false"
    assert http.post(url, content=slowly()).status_code == 409
    assert http.get("/api/userdata/new.json").json() == {"quick": 1}
