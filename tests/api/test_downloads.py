"""Fetching finished pictures: where to, what a broken download leaves, and how it goes on."""

from __future__ import annotations

import gzip
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from nodes.api import Server, downloads, read_answer
from nodes.api.downloads import Partial
from nodes.errors import Charged, DownloadError
from nodes.headless.sandbox import Sandbox
from tests.api.conftest import Answer, OddServer, odd_server, send, using

KEY = "lmnfl_id.secret"
LUMENFALL = Server("https://api.lumenfall.ai/openai/v1", KEY)


def fetch(server: Server, url: str, partial: Path) -> bytes:
    return using(server, lambda opened: opened.download(url, partial))


class Finished:
    """A picture that waits on the sandbox's shelf."""

    def __init__(self, sandbox: Sandbox, partial: Path) -> None:
        self.sandbox, self.partial = sandbox, partial
        self.server = Server(sandbox.base_url)
        self.url: str = read_answer(200, {}, send(self.server, size="128x128").body).pictures[0].url or ""
        self.content = httpx.get(self.url).content
        sandbox.requests.clear()

    def fetch(self) -> bytes:
        return fetch(self.server, self.url, self.partial)

    @property
    def asked(self) -> list[str | None]:
        """The Range header of each request."""
        return [received.headers.get("range") for received in self.sandbox.requests]


@pytest.fixture
def finished(sandbox: Sandbox, tmp_path: Path) -> Finished:
    return Finished(sandbox, tmp_path / "1.part")


def test_a_picture_is_fetched_and_also_written_to_disk(finished: Finished) -> None:
    assert finished.fetch() == finished.content == finished.partial.read_bytes()


def test_what_a_killed_process_left_is_continued(finished: Finished) -> None:
    """With what it had fetched last, for whether it is still the same file."""
    finished.partial.write_bytes(finished.content[:700])
    assert finished.fetch() == finished.content == finished.partial.read_bytes()
    assert finished.asked == ["bytes=188-"]


def test_another_version_on_disk_is_not_continued(finished: Finished) -> None:
    finished.partial.write_bytes(b"?" * 700)
    assert finished.fetch() == finished.content == finished.partial.read_bytes()


def test_what_a_killed_process_had_finished_is_not_fetched_again(finished: Finished) -> None:
    finished.partial.write_bytes(finished.content)
    assert finished.fetch() == finished.content
    assert finished.asked == [f"bytes={len(finished.content) - 512}-"]


def test_a_beginning_that_is_too_long_is_dropped(finished: Finished) -> None:
    finished.partial.write_bytes(finished.content + b"more")
    assert finished.fetch() == finished.content == finished.partial.read_bytes()


def test_a_broken_download_goes_on_where_it_ended(finished: Finished) -> None:
    finished.sandbox.fail_next("download-reset:2")
    assert finished.fetch() == finished.content == finished.partial.read_bytes()
    starts = [int((asked or "bytes=0-")[6:-1]) for asked in finished.asked]
    assert len(starts) == 3 and 0 < starts[1] < starts[2]
    assert finished.sandbox.requests[2].headers["if-range"].startswith('"')


@pytest.mark.parametrize("fault", ["download-ignores-range", "download-500", "download-503", "download-429"])
def test_a_failure_that_passes_does_no_harm(finished: Finished, fault: str) -> None:
    finished.sandbox.fail_next(fault)
    assert finished.fetch() == finished.content == finished.partial.read_bytes()


def test_a_download_that_keeps_breaking_can_be_resumed_later(finished: Finished) -> None:
    finished.sandbox.fail_next("download-reset:4")
    with pytest.raises(DownloadError, match="resumed") as caught:
        finished.fetch()
    assert caught.value.charged is Charged.YES and caught.value.code == "DOWNLOAD_FAILED"
    left = finished.partial.read_bytes()
    assert left and finished.content.startswith(left)
    assert finished.fetch() == finished.content
    assert finished.asked[-1] == (f"bytes={len(left) - 512}-" if len(left) > 512 else None)


def test_a_download_shorter_than_announced_is_not_taken_for_whole(finished: Finished) -> None:
    finished.sandbox.fail_next("download-short")
    assert finished.fetch() == finished.content
    assert len(finished.asked) == 2


def test_a_download_that_drips_is_given_up_and_kept(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "DEADLINE", 0.2)
    finished.sandbox.fail_next("download-drip:4")
    with pytest.raises(DownloadError, match="longer than"):
        finished.fetch()
    left = finished.partial.read_bytes()
    assert 0 < len(left) < 40 and finished.content.startswith(left)
    # On a slow machine the time is over before the connection stands.
    assert 1 < len(finished.asked) <= 4


def test_a_download_without_end_is_cut_off(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "MAX_BYTES", 100_000)
    finished.sandbox.fail_next("download-endless")
    with pytest.raises(DownloadError, match="larger"):
        finished.fetch()
    assert not finished.partial.exists() and len(finished.asked) == 1


@pytest.mark.parametrize(
    ("fault", "code"),
    [("expired-link", "LINK_EXPIRED"), ("download-403", "LINK_REFUSED"), ("download-404", "LINK_REFUSED")],
)
def test_a_link_that_is_gone_or_may_be_has_a_code_of_its_own(finished: Finished, fault: str, code: str) -> None:
    finished.sandbox.fail_next(fault)
    with pytest.raises(DownloadError) as caught:
        finished.fetch()
    assert caught.value.code == code and len(finished.asked) == 1


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(downloads, "_now", lambda: self.now)
        monkeypatch.setattr(downloads, "_sleep", self.sleep)
        monkeypatch.setattr(downloads, "LAG", LAG)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


LAG = downloads.LAG


def test_a_new_link_that_is_refused_is_tried_with_growing_pauses(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, tries = Clock(monkeypatch), []
    finished.sandbox.fail_next("download-404:6")
    monkeypatch.setattr(downloads, "_check_scheme", lambda _: tries.append(clock.now))
    content = using(
        finished.server, lambda opened: opened.download(finished.url, finished.partial, patient=lambda: True)
    )
    assert content == finished.content
    pauses = [round(later - before, 3) for before, later in pairwise(tries)]
    assert pauses == sorted(pauses) == pytest.approx(list(LAG), abs=0.11) and sum(pauses) < 60


def test_whoever_stops_waits_for_no_pause(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    finished.sandbox.fail_next("download-404:2")
    with pytest.raises(DownloadError) as caught:
        using(finished.server, lambda it: it.download(finished.url, finished.partial, patient=lambda: clock.now < 1.0))
    assert caught.value.code == "LINK_REFUSED" and clock.now < 1.2 and len(finished.asked) == 2


@pytest.mark.parametrize(("fault", "message"), [("redirect-loop", "redirects"), ("redirect-private", "private")])
def test_a_redirect_that_leads_nowhere_good_ends_at_once(finished: Finished, fault: str, message: str) -> None:
    finished.sandbox.fail_next(fault)
    with pytest.raises(DownloadError, match=message):
        finished.fetch()


def test_a_disk_that_fails_costs_no_picture(finished: Finished, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    places = [tmp_path / "missing" / "1.part", tmp_path / "folder", tmp_path / ("long" * 100)]
    if Path("/dev/full").exists():
        (tmp_path / "full").symlink_to("/dev/full")
        places.append(tmp_path / "full")
    for place in places:
        finished.sandbox.fail_next("download-reset")
        assert fetch(finished.server, finished.url, place) == finished.content
        assert len(finished.asked) == 2
        finished.sandbox.requests.clear()


def test_a_disk_that_fills_up_keeps_a_usable_beginning(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __init__(self, file: Any) -> None:
            self.file, self.room = file, 100

        def seek(self, place: int) -> None:
            self.file.seek(place)

        def write(self, chunk: bytes) -> int:
            taken = int(self.file.write(bytes(chunk[: self.room])))
            self.room = 1000  # somebody tidied up; going on now would leave a hole
            return taken

        def close(self) -> None:
            self.file.close()

    opened = Path.open
    monkeypatch.setattr(Path, "open", lambda *args, **options: Full(opened(*args, **options)))
    finished.sandbox.fail_next("download-reset")
    assert finished.fetch() == finished.content
    monkeypatch.undo()
    assert finished.partial.read_bytes() == finished.content[:100]


@pytest.mark.parametrize(
    "content_range",
    ["bytes 0-5/9", "bytes 4-8/9", "bytes */9", "bytes 3-x/9", "", f"bytes {'9' * 5000}-1/2"],
)
def test_a_part_that_does_not_fit_is_not_used(
    content_range: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "OVERLAP", 1)

    def answer(_: str) -> Answer:
        if "range" in odd.seen[-1][2]:
            return 206, {"content-range": content_range}, b"wrong!"
        return 200, {}, b"123456789"

    (tmp_path / "1.part").write_bytes(b"123")
    with odd_server(answer) as odd:
        assert fetch(Server(f"{odd.url}/v1"), "/1.png", tmp_path / "1.part") == b"123456789"
        assert len(odd.seen) == 2


def test_a_part_of_a_part_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "OVERLAP", 1)

    def answer(_: str) -> Answer:
        start = int(odd.seen[-1][2]["range"][6:-1])
        return 206, {"content-range": f"bytes {start}-{start + 3}/9"}, b"123456789"[start : start + 4]

    (tmp_path / "1.part").write_bytes(b"123")
    with odd_server(answer) as odd:
        assert fetch(Server(f"{odd.url}/v1"), "/1.png", tmp_path / "1.part") == b"123456789"


@pytest.mark.parametrize("honest", [True, False])
def test_two_versions_of_a_picture_are_never_mixed(tmp_path: Path, honest: bool) -> None:
    """The first half comes from one version; the server then has another, and may or may not heed If-Range."""

    def answer(_: str) -> Answer:
        headers = odd.seen[-1][2]
        if len(odd.seen) == 1:
            return 200, {"etag": '"old"', "content-length": "9"}, b"old"
        if "range" in headers and not honest:
            return 206, {"etag": '"new"', "content-range": "bytes 3-8/9"}, b"456789"
        assert honest is False or headers["if-range"] == '"old"'
        return 200, {"etag": '"new"'}, b"123456789"

    with odd_server(answer) as odd:
        assert fetch(Server(f"{odd.url}/v1"), "/1.png", tmp_path / "1.part") == b"123456789"


@pytest.mark.parametrize("headers", [{"content-encoding": "gzip"}, {}])
def test_a_picture_that_comes_compressed_is_unpacked(tmp_path: Path, headers: dict[str, str]) -> None:
    with odd_server(lambda _: (200, headers, gzip.compress(b"picture"))) as odd:
        assert fetch(Server(f"{odd.url}/v1"), "/1.png", tmp_path / "1.part") == b"picture"
        assert odd.seen[0][2]["accept-encoding"] == "identity"


# Whom a link may tell the key


def keys(odd: OddServer) -> list[str | None]:
    return [headers.get("authorization") for _, _, headers in odd.seen]


@pytest.mark.parametrize("status", [401, 403])
def test_a_link_of_the_server_itself_gets_the_key_where_it_is_refused_without(tmp_path: Path, status: int) -> None:
    def answer(_: str) -> Answer:
        return (200, {}, b"picture") if keys(odd)[-1] else (status, {}, b"who are you?")

    with odd_server(answer) as odd:
        assert fetch(Server(f"{odd.url}/v1", KEY), "/files/1.png", tmp_path / "1.part") == b"picture"
        assert keys(odd) == [None, f"Bearer {KEY}"]


def test_a_key_that_is_refused_is_not_tried_again(tmp_path: Path) -> None:
    with odd_server(lambda _: (401, {}, b"no")) as odd:
        with pytest.raises(DownloadError, match="401"):
            fetch(Server(f"{odd.url}/v1", KEY), "/files/1.png", tmp_path / "1.part")
        assert keys(odd) == [None, f"Bearer {KEY}"]


@pytest.mark.parametrize("is_led_on", [False, True])
def test_nobody_else_gets_it_and_no_link_that_others_lead_to(tmp_path: Path, is_led_on: bool) -> None:
    with odd_server(lambda _: (401, {}, b"who are you?")) as other:

        def answer(path: str) -> Answer:
            if path == "/v1/1.png" and keys(odd)[-1] is None:
                return 401, {}, b"who are you?"
            return 302, {"location": "/2.png" if path == "/v1/1.png" else f"{other.url}/3.png"}, b""

        with odd_server(answer) as odd:
            link = "1.png" if is_led_on else f"{other.url}/1.png"
            with pytest.raises(DownloadError, match="401"):
                fetch(Server(f"{odd.url}/v1", KEY), link, tmp_path / "1.part")
            assert keys(odd) == ([None, f"Bearer {KEY}", None] if is_led_on else [])
            assert keys(other) == [None]


def test_a_picture_that_is_not_made_yet_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch)

    def answer(_: str) -> Answer:
        return (202, {}, b"soon") if len(odd.seen) < 3 else (200, {}, b"picture")

    with odd_server(answer) as odd:
        got = using(Server(odd.url), lambda opened: opened.download("/1", tmp_path / "1.part", patient=lambda: True))
        assert got == b"picture" and len(odd.seen) == 3


def test_a_part_that_is_the_whole_is_taken(tmp_path: Path) -> None:
    with odd_server(lambda _: (206, {}, b"picture")) as odd:
        assert fetch(Server(odd.url), "/1.png", tmp_path / "1.part") == b"picture"


@pytest.mark.parametrize("link", ["/files/\n  1.png", "</files/1.png>"])
def test_what_a_link_was_written_with_is_left_out(tmp_path: Path, link: str) -> None:
    with odd_server(lambda path: (200, {}, b"picture") if path == "/files/1.png" else (400, {}, b"")) as odd:
        assert fetch(Server(odd.url), link.replace(" ", ""), tmp_path / "1.part") == b"picture"


# Where a link may lead


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://media.example.org/1.png",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/1.png",
        "http://127.0.0.1:8188/api/users",
        "http://localhost/1.png",
        "http://[::1]/1.png",
        "http://[::ffff:127.0.0.1]/1.png",
        "http://0.0.0.0/1.png",
        "no address",
        "http://",
    ],
)
def test_a_download_goes_to_no_private_machine(url: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError):
        fetch(LUMENFALL, url, tmp_path / "1.image")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("port", ["0", "65536", "99999"])
def test_a_port_that_is_none_is_named(port: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=f"port {port}"):
        fetch(LUMENFALL, f"http://8.8.8.8:{port}/1.png", tmp_path / "1.image")


@pytest.mark.parametrize("status", [201, 203])
def test_a_picture_may_come_with_another_word_for_success(status: int, tmp_path: Path) -> None:
    with odd_server(lambda _: (status, {}, b"picture")) as odd:
        assert fetch(Server(f"{odd.url}/v1"), "/1.png", tmp_path / "1.part") == b"picture"


def test_a_redirect_to_a_private_machine_is_refused(tmp_path: Path) -> None:
    with odd_server(lambda _: (302, {"location": "http://10.0.0.1/"}, b"")) as odd:
        with pytest.raises(DownloadError, match="private"):
            fetch(Server(f"{odd.url}/v1", KEY), f"{odd.url}/1.png", tmp_path / "1.image")
        assert "authorization" not in odd.seen[0][2]


def test_a_link_without_a_host_is_the_servers_own(tmp_path: Path) -> None:
    with odd_server(lambda _: (200, {}, b"png")) as odd:
        fetch(Server(f"{odd.url}/v1"), "/media/1.png", tmp_path / "1.image")
        assert odd.seen[0][1] == "/media/1.png"


def test_a_redirect_is_followed_without_the_key(tmp_path: Path) -> None:
    with odd_server(lambda path: (200, {}, b"png") if path == "/b" else (302, {"location": "/b"}, b"")) as odd:
        assert fetch(Server(f"{odd.url}/v1", KEY), f"{odd.url}/a", tmp_path / "1.image") == b"png"
        assert [path for _, path, _ in odd.seen] == ["/a", "/b"]
        assert all("authorization" not in headers for _, _, headers in odd.seen)


# What a killed process leaves


def test_the_next_process_goes_on_where_this_one_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "picture.part"
    killed = Partial(path, 100)
    killed.append(b"begin")  # and closes nothing
    following = Partial(path, 100)
    assert following.content == b"begin"
    killed.close()
    following.append(b"ning")
    assert path.read_bytes() == b"beginning"
    following.start_over()
    following.append(b"new")
    assert path.read_bytes() == following.content == b"new"
    following.remove()
    assert not path.exists()


def test_a_beginning_that_is_too_large_is_no_beginning(tmp_path: Path) -> None:
    path = tmp_path / "picture.part"
    path.write_bytes(b"x" * 101)
    assert Partial(path, 100).content == b""
    path.write_bytes(b"x" * 100)
    assert len(Partial(path, 100).content) == 100


def test_a_disk_that_fails_costs_nothing_that_came(tmp_path: Path) -> None:
    nowhere = Partial(tmp_path / "no such folder" / "picture.part", 100)
    nowhere.append(b"all ")
    nowhere.append(b"of it")
    nowhere.remove()
    assert nowhere.content == b"all of it"
