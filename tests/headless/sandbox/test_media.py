from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from nodes.headless.sandbox import running

Post = Callable[..., httpx.Response]


@pytest.mark.parametrize(
    ("header", "part", "status"),
    [
        ("bytes=0-9", slice(0, 10), 206),
        ("bytes=100-", slice(100, None), 206),
        ("bytes=-7", slice(-7, None), 206),
        ("bytes=5-9999999", slice(5, None), 206),
        ("lines=1-2", slice(None), 200),
    ],
)
def test_parts_of_a_picture(http: httpx.Client, generate: Post, header: str, part: slice, status: int) -> None:
    url = generate().json()["data"][0]["url"]
    whole = http.get(url)
    assert whole.headers["Accept-Ranges"] == "bytes"
    response = http.get(url, headers={"Range": header})
    assert (response.status_code, response.content) == (status, whole.content[part])
    if status == 206:
        start, stop, _ = part.indices(len(whole.content))
        assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(whole.content)}"


def test_a_part_beyond_the_end(http: httpx.Client, generate: Post) -> None:
    response = http.get(generate().json()["data"][0]["url"], headers={"Range": "bytes=9999999-"})
    assert response.status_code == 416
    assert response.headers["Content-Range"].startswith("bytes */")


def test_parts_are_of_the_version_that_is_named(http: httpx.Client, generate: Post) -> None:
    url = generate().json()["data"][0]["url"]
    etag = http.get(url).headers["ETag"]
    statuses = [
        http.get(url, headers={"Range": "bytes=5-", "If-Range": version}).status_code for version in (etag, '"other"')
    ]
    assert statuses == [206, 200]
    assert http.get(url, headers={"Range": "bytes=9999999-", "If-Range": '"other"'}).status_code == 200


def test_downloads_need_no_key_even_when_calls_do() -> None:
    with running(api_key="k") as strict:
        body = {"model": "mock-image", "prompt": "a fox", "size": "32x32"}
        headers = {"Authorization": "Bearer k"}
        answer = httpx.post(strict.base_url + "/images/generations", json=body, headers=headers).json()
        assert httpx.get(answer["data"][0]["url"]).status_code == 200


def test_links_expire() -> None:
    with running(link_lifetime=0) as sandbox:
        body = {"model": "mock-image", "prompt": "a fox", "size": "32x32"}
        answer = httpx.post(sandbox.base_url + "/images/generations", json=body).json()
        assert httpx.get(answer["data"][0]["url"]).status_code == 410
