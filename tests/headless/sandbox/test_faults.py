from __future__ import annotations

import contextlib
import dataclasses
import gzip
import io
import json
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
from PIL import Image, UnidentifiedImageError

from nodes.headless.sandbox import FAULTS, Sandbox, running

Post = Callable[..., httpx.Response]
Pictures = Callable[[httpx.Response], list[Image.Image]]


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("status-400", 400, "INVALID_REQUEST"),
        ("status-401", 401, "AUTHENTICATION_FAILED"),
        ("status-402", 402, "INSUFFICIENT_BALANCE"),
        ("status-404", 404, "MODEL_NOT_FOUND"),
        ("content-policy", 400, "CONTENT_POLICY_VIOLATION"),
        ("status-429", 429, "RATE_LIMITED"),
        ("retry-after-long", 429, "RATE_LIMITED"),
        ("status-500", 500, "INTERNAL_ERROR"),
        ("status-502", 502, "ALL_PROVIDERS_EXHAUSTED"),
        ("status-503", 503, "SERVICE_UNAVAILABLE"),
        ("retry-after-date", 503, "SERVICE_UNAVAILABLE"),
        ("error-in-200", 200, "UPSTREAM_ERROR"),
    ],
)
def test_an_error_in_place_of_work(sandbox: Sandbox, generate: Post, name: str, status: int, code: str) -> None:
    sandbox.fail_next(name)
    response = generate()
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.headers["X-Lumenfall-Request-Id"] == sandbox.requests[0].request_id
    assert sandbox.bill == []
    assert generate().json()["data"]


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("status-403", 403, "application/json"),
        ("status-408", 408, "text/plain"),
        ("status-409", 409, "application/json"),
        ("status-413", 413, "text/html"),
        ("status-415", 415, "application/json"),
        ("status-422", 422, "application/json"),
        ("status-504", 504, "text/html"),
        ("status-524", 524, "text/html"),
        ("html-502", 502, "text/html"),
        ("html-503", 503, "text/html"),
        ("plain-500", 500, "text/plain"),
        ("flat-error", 502, "application/json"),
    ],
)
def test_errors_in_other_shapes(
    sandbox: Sandbox, generate: Post, native: httpx.Client, name: str, status: int, kind: str
) -> None:
    sandbox.fail_next(name)
    response = generate()
    assert response.status_code == status and response.headers["Content-Type"].startswith(kind)
    if kind == "application/json":
        assert "code" not in str(response.json().get("error"))
    (entry,) = native.get("/requests").json()["data"]
    assert sandbox.bill == [] and entry["cost"] == 0
    assert entry["status"] == ("upstream_failure" if status >= 500 else "rejected")


def test_when_to_try_again(sandbox: Sandbox, generate: Post) -> None:
    sandbox.fail_next("status-429", dataclasses.replace(FAULTS["status-503"], retry_after=3))
    assert [generate().headers["Retry-After"] for _ in range(2)] == ["0", "3"]
    sandbox.fail_next("retry-after-long", "retry-after-date")
    assert generate().headers["Retry-After"] == "3600"
    now = datetime.now(timezone.utc)
    assert -1 < (parsedate_to_datetime(generate().headers["Retry-After"]) - now).total_seconds() < 5


def spoilt(sandbox: Sandbox, generate: Post, name: str, **fields: Any) -> httpx.Response:
    """The answer under a fault that comes after the bill."""
    sandbox.fail_next(name)
    response = generate(**fields)
    assert response.status_code == 200
    assert len(sandbox.bill) == 1 and sandbox.faults == []
    return response


def test_cut_json(sandbox: Sandbox, generate: Post) -> None:
    with pytest.raises(ValueError):
        spoilt(sandbox, generate, "cut-json").json()


@pytest.mark.parametrize(("name", "data"), [("empty-data", []), ("null-data", None)])
def test_no_data(sandbox: Sandbox, generate: Post, name: str, data: object) -> None:
    body = spoilt(sandbox, generate, name).json()
    assert body["data"] == data and body["metadata"]["cost"] == 0.053


def test_bad_base64(sandbox: Sandbox, generate: Post, pictures: Pictures) -> None:
    with pytest.raises(ValueError):
        pictures(spoilt(sandbox, generate, "bad-base64"))


@pytest.mark.parametrize("response_format", ["url", "b64_json"])
def test_spoilt_files(sandbox: Sandbox, generate: Post, pictures: Pictures, response_format: str) -> None:
    with pytest.raises(OSError):
        pictures(spoilt(sandbox, generate, "cut-picture", response_format=response_format))
    sandbox.bill.clear()
    with pytest.raises(UnidentifiedImageError):
        pictures(spoilt(sandbox, generate, "not-a-picture", response_format=response_format))


def test_fewer_pictures(sandbox: Sandbox, generate: Post, pictures: Pictures) -> None:
    assert len(pictures(spoilt(sandbox, generate, "fewer-pictures", n=3))) == 2


def test_mixed_sizes(sandbox: Sandbox, generate: Post, pictures: Pictures) -> None:
    found = pictures(spoilt(sandbox, generate, "mixed-sizes", n=3))
    assert [picture.size for picture in found] == [(64, 48), (32, 24), (64, 48)]


@pytest.mark.parametrize(("name", "status"), [("late-504", 504), ("text-success", 200)])
def test_a_web_page_in_place_of_a_finished_answer(sandbox: Sandbox, generate: Post, name: str, status: int) -> None:
    sandbox.fail_next(name)
    response = generate()
    assert response.status_code == status and response.headers["Content-Type"].startswith("text/html")
    assert "X-Lumenfall-Request-Id" not in response.headers and len(sandbox.bill) == 1


def raw_answer(sandbox: Sandbox, name: str, **fields: Any) -> tuple[httpx.Response, bytes]:
    """What arrives before the connection ends, or 1000 bytes, still compressed."""
    sandbox.fail_next(name)
    body = {"model": "gpt-image-2", "prompt": "a fox", "size": "64x48"} | fields
    arrived = b""
    with (
        httpx.stream("POST", sandbox.base_url + "/images/generations", json=body, verify=False) as response,
        contextlib.suppress(httpx.RemoteProtocolError, httpx.ReadError),
    ):
        for chunk in response.iter_raw():
            arrived += chunk
            if len(arrived) > 1000 and name == "endless-body":
                break
    assert len(sandbox.bill) == 1
    return response, arrived


def test_compression_gone_wrong(sandbox: Sandbox) -> None:
    response, arrived = raw_answer(sandbox, "wrong-gzip")
    assert response.headers["Content-Encoding"] == "gzip" and json.loads(arrived)["data"]
    sandbox.bill.clear()
    response, arrived = raw_answer(sandbox, "cut-gzip")
    assert response.headers["Content-Encoding"] == "gzip" and int(response.headers["Content-Length"]) == len(arrived)
    with pytest.raises(EOFError):
        gzip.decompress(arrived)


@pytest.mark.parametrize("response_format", ["url", "b64_json"])
def test_a_cut_after_the_first_picture(sandbox: Sandbox, response_format: str) -> None:
    # Large, so that it needs more than one packet.
    size = "512x512" if response_format == "b64_json" else "64x48"
    response, arrived = raw_answer(sandbox, "cut-after-first-picture", n=3, size=size, response_format=response_format)
    assert len(arrived) < int(response.headers["Content-Length"])
    assert len(json.loads(arrived + b"]}")["data"]) == 1


def test_an_answer_without_end(sandbox: Sandbox) -> None:
    response, arrived = raw_answer(sandbox, "endless-body")
    assert response.status_code == 200 and len(arrived) > 1000


def test_dripping_ends_with_the_sandbox() -> None:
    body = {"model": "mock-image", "prompt": "a fox", "size": "32x32"}
    arrived = b""
    with httpx.Client() as client:
        with running(faults=["slow-drip"]) as sandbox:
            stream = client.stream("POST", sandbox.base_url + "/images/generations", json=body)
            chunks = stream.__enter__().iter_raw()
            arrived += next(chunks) + next(chunks)
        with pytest.raises(httpx.NetworkError):
            list(chunks)
    assert arrived == b'{"' and len(sandbox.bill) == 1


@pytest.mark.parametrize("name", ["reset-before-headers", "reset-mid-body"])
def test_a_connection_that_breaks_after_the_bill(
    sandbox: Sandbox, generate: Post, native: httpx.Client, name: str
) -> None:
    sandbox.fail_next(name)
    with pytest.raises(httpx.NetworkError):
        generate()
    assert len(sandbox.bill) == 1 and sandbox.requests[0].status is None
    (entry,) = native.get("/requests").json()["data"]
    assert entry["status"] == "completed" and entry["cost"] == 0.053


def test_hanging_ends_with_the_sandbox() -> None:
    with running(faults=["hang"]) as sandbox:
        body = {"model": "mock-image", "prompt": "a fox", "size": "32x32"}
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(sandbox.base_url + "/images/generations", json=body, timeout=0.2)
    assert len(sandbox.bill) == 1


def test_an_expired_link_stays_expired(sandbox: Sandbox, generate: Post, http: httpx.Client) -> None:
    sandbox.fail_next("expired-link")
    first, second = (item["url"] for item in generate(n=2).json()["data"])
    assert [http.get(url).status_code for url in (first, first, second)] == [410, 410, 200]


def test_a_download_that_breaks_can_be_repeated(sandbox: Sandbox, generate: Post, http: httpx.Client) -> None:
    sandbox.fail_next("download-reset")
    url = generate().json()["data"][0]["url"]
    with pytest.raises(httpx.NetworkError):
        http.get(url)
    assert Image.open(io.BytesIO(http.get(url).content)).size == (64, 48)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("download-403", 403),
        ("download-404", 404),
        ("download-429", 429),
        ("download-500", 500),
        ("download-503", 503),
        ("download-html", 200),
    ],
)
def test_something_else_than_a_picture(
    sandbox: Sandbox, generate: Post, http: httpx.Client, name: str, status: int
) -> None:
    sandbox.fail_next(name)
    url = generate().json()["data"][0]["url"]
    response = http.get(url)
    assert response.status_code == status and not response.headers["Content-Type"].startswith("image/")
    assert http.get(url).headers["Content-Type"] == "image/png"


def test_a_redirect_into_a_private_network(sandbox: Sandbox, generate: Post, http: httpx.Client) -> None:
    sandbox.fail_next("redirect-private")
    assert http.get(generate().json()["data"][0]["url"]).headers["Location"].startswith("http://10.0.0.1/")


def test_a_download_that_is_shorter_than_announced(sandbox: Sandbox, generate: Post, http: httpx.Client) -> None:
    sandbox.fail_next("download-short")
    with pytest.raises(httpx.RemoteProtocolError):
        http.get(generate().json()["data"][0]["url"])


@pytest.mark.parametrize("name", ["download-drip", "download-endless"])
def test_a_download_that_does_not_end(sandbox: Sandbox, generate: Post, http: httpx.Client, name: str) -> None:
    sandbox.fail_next(name)
    with http.stream("GET", generate().json()["data"][0]["url"]) as response:
        first, second = (next(chunks) for chunks in [response.iter_raw()] for _ in range(2))
    assert (len(first), len(second)) == (1, 1) if name == "download-drip" else first.strip(b".") == b""


def test_a_download_that_must_begin_again(sandbox: Sandbox, generate: Post, http: httpx.Client) -> None:
    sandbox.fail_next("download-ignores-range")
    url = generate().json()["data"][0]["url"]
    with pytest.raises(httpx.NetworkError):
        http.get(url)
    part = http.get(url, headers={"Range": "bytes=10-"})
    assert part.status_code == 200 and "Accept-Ranges" not in part.headers
    assert Image.open(io.BytesIO(part.content)).size == (64, 48)


def test_a_redirect_loop(sandbox: Sandbox, generate: Post, http: httpx.Client) -> None:
    sandbox.fail_next("redirect-loop")
    with pytest.raises(httpx.TooManyRedirects):
        http.get(generate().json()["data"][0]["url"], follow_redirects=True)


def test_faults_strike_in_order_and_are_used_up(sandbox: Sandbox, generate: Post) -> None:
    sandbox.fail_next("status-429:2", "status-500")
    assert [generate().status_code for _ in range(4)] == [429, 429, 500, 200]


def test_faults_wait_for_their_endpoint(sandbox: Sandbox, generate: Post, http: httpx.Client) -> None:
    sandbox.fail_next(dataclasses.replace(FAULTS["html-503"], endpoint="models"))
    assert generate().status_code == 200
    assert [http.get("/models").status_code for _ in range(2)] == [503, 200]


def test_dry_runs_and_refusals_leave_a_fault_for_the_next(sandbox: Sandbox, generate: Post, http: httpx.Client) -> None:
    sandbox.fail_next("empty-data")
    body = {"model": "mock-image", "prompt": "a fox"}
    assert "estimated" in http.post("/images/generations?dryRun=true", json=body).json()
    assert generate(n=0).status_code == 400
    assert generate().json()["data"] == []


@pytest.mark.parametrize("text", ["status-429:0", "status-429:x", "status-429:"])
def test_a_bad_count(text: str) -> None:
    with pytest.raises(ValueError, match="count"):
        Sandbox(faults=[text])


def test_an_unknown_fault() -> None:
    with pytest.raises(ValueError, match="did you mean 'status-429'"):
        Sandbox(faults=["status-42"])


def test_only_faults_that_come_after_the_work_are_billed() -> None:
    billed = {name for name, fault in FAULTS.items() if fault.endpoint == "images/" and fault.billed}
    assert billed == {
        *("cut-json", "empty-data", "null-data", "bad-base64", "cut-picture", "not-a-picture", "fewer-pictures"),
        *("images-list", "bare-list", "strings", "data-uris", "image-url", "image-url-object", "picture-body", "chat"),
        *("responses", "event-stream", "keep-alive", "usage-cost", "cost-header", "tokens"),
        *(
            "mixed-sizes",
            "late-504",
            "charged-400",
            "text-success",
            "wrong-gzip",
            "cut-gzip",
            "cut-after-first-picture",
        ),
        *("reset-before-headers", "reset-mid-body", "hang", "slow-drip", "endless-body"),
        *("shifted", "brightened", "reduced", "drifted"),
    }
