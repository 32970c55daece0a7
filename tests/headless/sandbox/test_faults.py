from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
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
        ("status-429", 429, "RATE_LIMITED"),
        ("status-500", 500, "INTERNAL_ERROR"),
        ("status-502", 502, "ALL_PROVIDERS_EXHAUSTED"),
        ("status-503", 503, "SERVICE_UNAVAILABLE"),
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


def test_errors_in_other_shapes(sandbox: Sandbox, generate: Post) -> None:
    sandbox.fail_next("html-503", "flat-error")
    page, flat = generate(), generate()
    assert page.status_code == 503 and page.headers["Content-Type"].startswith("text/html")
    assert flat.status_code == 502 and flat.json()["error_code"] == "UPSTREAM_ERROR"
    assert sandbox.bill == []


def test_when_to_try_again(sandbox: Sandbox, generate: Post) -> None:
    sandbox.fail_next("status-429", dataclasses.replace(FAULTS["status-503"], retry_after=3))
    assert [generate().headers["Retry-After"] for _ in range(2)] == ["0", "3"]


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


@pytest.mark.parametrize("name", ["reset-before-headers", "reset-mid-body"])
def test_a_connection_that_breaks_after_the_bill(sandbox: Sandbox, generate: Post, name: str) -> None:
    sandbox.fail_next(name)
    with pytest.raises(httpx.NetworkError):
        generate()
    assert len(sandbox.bill) == 1 and sandbox.requests[0].status is None


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
    free = {name for name, fault in FAULTS.items() if fault.endpoint == "images/" and not fault.billed}
    assert free == {"status-429", "status-500", "status-502", "status-503", "html-503", "flat-error", "error-in-200"}
