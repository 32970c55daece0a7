from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

import httpx
import pytest

from nodes.headless.sandbox import Sandbox

Post = Callable[..., httpx.Response]


def test_what_reached_the_wire_is_kept(sandbox: Sandbox, http: httpx.Client, png: Callable[..., bytes]) -> None:
    form = {"model": "gpt-image-2", "prompt": "a fox", "cfg_scale": "3", "tag": ["a", "b"]}
    response = http.post(
        "/images/edits", data=form, files={"image": ("i.png", png())}, headers={"Authorization": "Bearer k"}
    )
    (received,) = sandbox.requests
    assert (received.method, received.path) == ("POST", "/openai/v1/images/edits")
    assert received.endpoint == "images/edits"
    assert received.fields == form
    assert received.files == {"image": [png()]}
    assert received.headers["authorization"] == "Bearer k"
    assert received.status == 200
    assert received.request_id == response.headers["X-Lumenfall-Request-Id"] == response.json()["id"]


def test_json_is_kept_as_it_came(sandbox: Sandbox, generate: Post) -> None:
    generate(seed=7, extra={"deep": [1]}, n=11)
    received = sandbox.requests[0]
    assert received.fields["seed"] == 7 and received.fields["extra"] == {"deep": [1]}
    assert received.status == 400


def test_every_answer_names_provider_and_model(generate: Post) -> None:
    headers = generate(model="vertex/gemini-3-pro-image-preview").headers
    assert headers["X-Lumenfall-Provider"] == "vertex"
    assert headers["X-Lumenfall-Model"] == "gemini-3-pro-image"


def test_the_request_list(sandbox: Sandbox, native: httpx.Client, generate: Post) -> None:
    done, bad = generate(user="me").json()["id"], generate(n=0).headers["X-Lumenfall-Request-Id"]
    sandbox.fail_next("status-502")
    failed = generate().headers["X-Lumenfall-Request-Id"]
    entries = native.get("/requests").json()["data"]
    assert [(entry["id"], entry["status"]) for entry in entries] == [
        (failed, "upstream_failure"),
        (bad, "rejected"),
        (done, "completed"),
    ]
    assert entries[2]["cost"] == 0.053 and entries[2]["user"] == "me"
    assert entries[1]["error_code"] == "INVALID_REQUEST" and entries[1]["cost"] == 0
    assert native.get(f"/requests/{done}").json() == entries[2]
    assert native.get("/requests/req_none").status_code == 404


def test_the_request_list_has_pages(native: httpx.Client, generate: Post) -> None:
    ids = [generate().json()["id"] for _ in range(3)]
    first = native.get("/requests", params={"limit": 2}).json()
    assert [entry["id"] for entry in first["data"]] == [ids[2], ids[1]]
    second = native.get(str(native.base_url.join(first["next_page_url"]))).json()
    assert [entry["id"] for entry in second["data"]] == [ids[0]]
    assert second["next_page_url"] is None
    assert native.get("/requests", params={"limit": 101}).status_code == 400


def test_the_request_list_can_be_narrowed_to_a_time(sandbox: Sandbox, native: httpx.Client, generate: Post) -> None:
    ids = [generate().json()["id"] for _ in range(4)]
    for hour, received in enumerate(sandbox.requests):
        received.arrived = datetime(2026, 1, 1, hour, tzinfo=timezone.utc).timestamp()

    def listed(**query: str) -> list[str]:
        return [entry["id"] for entry in native.get("/requests", params=query).json()["data"]]

    assert listed(created_after="2026-01-01T01:30:00Z") == [ids[3], ids[2]]
    assert listed(created_before="2026-01-01T02:30:00+01:00") == [ids[1], ids[0]]
    between = {"created_after": "2026-01-01T00:30:00", "created_before": "2026-01-01T02:30:00Z", "limit": "1"}
    first = native.get("/requests", params=between).json()
    second = native.get(str(native.base_url.join(first["next_page_url"]))).json()
    assert [entry["id"] for entry in first["data"] + second["data"]] == [ids[2], ids[1]]
    assert second["next_page_url"] is None
    assert native.get("/requests", params={"created_after": "yesterday"}).status_code == 400


@pytest.mark.parametrize(
    ("header", "trace_id"),
    [
        (f"00-{'0af76519' * 4}-b7ad6b7169203331-01", "0af76519" * 4),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", None),
        ("0af76519", None),
        (None, None),
    ],
)
def test_requests_are_listed_with_their_trace(
    sandbox: Sandbox, http: httpx.Client, native: httpx.Client, header: str | None, trace_id: str | None
) -> None:
    headers = {"traceparent": header} if header else {}
    http.post("/images/generations", json={"model": "mock-image", "prompt": "a fox", "size": "32x32"}, headers=headers)
    assert native.get("/requests").json()["data"][0]["trace_id"] == trace_id


def test_purging_removes_the_pictures(native: httpx.Client, generate: Post) -> None:
    answer = generate(n=2).json()
    purge = f"/requests/{answer['id']}/payloads"
    first, second = native.delete(purge).json(), native.delete(purge).json()
    assert (first["purged"], first["already_purged"], first["deleted_media_count"]) == (True, False, 2)
    assert (second["purged"], second["already_purged"], second["deleted_media_count"]) == (True, True, 0)
    assert native.get(answer["data"][0]["url"]).status_code == 404
