"""Which machines a download reaches, by whatever name: real sockets, and a resolver that may change its mind."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from nodes.api import Client, Server, client, destinations
from nodes.api.addresses import is_own
from nodes.api.destinations import is_public
from nodes.errors import DownloadError
from tests.api.conftest import odd_server, send, using
from tests.api.proxy import recording_proxy
from tests.api.test_downloads import KEY, LUMENFALL, fetch

SOMEWHERE = "192.52.193.1"
"""A public address at which nobody is (RFC 7450)."""


class Resolver:
    """In place of the system's: gives the names it knows one set of addresses after the other; the last stays."""

    def __init__(self) -> None:
        self.names: dict[str, list[list[str]]] = {}
        self.asked: list[str] = []
        self._system = socket.getaddrinfo

    def __call__(self, host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        with contextlib.suppress(ValueError):
            ipaddress.ip_address(name)
            return self._system(host, port, *args, **kwargs)
        self.asked.append(name)
        if name not in self.names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        answers = self.names[name]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [entry for address in found for entry in self._system(address, port, *args, **kwargs)]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    resolver = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    return resolver


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses of other machines that would be connected to. Each has a picture."""
    addresses = []

    async def answer(_: object, request: httpx.Request) -> httpx.Response:
        addresses.append(request.url.host)
        return httpx.Response(200, stream=httpx.ByteStream(b"picture"))

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", answer)
    return addresses


@contextlib.contextmanager
def listener(address: str, port: int) -> Iterator[list[bytes]]:
    """Somebody else's machine: what it is sent."""
    seen: list[bytes] = []
    with socket.create_server((address, port)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        seen.append(connection.recv(4096))
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield seen
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_a_name_that_leads_elsewhere_the_second_time_reaches_no_private_machine(
    resolver: Resolver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MEDIA_TIMEOUT", httpx.Timeout(0.3))
    resolver.names["rebind.example"] = [[SOMEWHERE], ["127.0.0.1"]] * 4
    with odd_server(lambda _: (200, {}, b"secret")) as odd:
        with pytest.raises(DownloadError):
            fetch(LUMENFALL, f"http://rebind.example:{odd.port}/1.png", tmp_path / "1.part")
        assert odd.seen == []


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(resolver: Resolver, tmp_path: Path) -> None:
    resolver.names["box.example"] = [["127.0.0.1"], ["127.0.0.3"]]
    with odd_server(lambda _: (200, {}, b"picture")) as odd, listener("127.0.0.3", odd.port) as elsewhere:
        url = f"http://box.example:{odd.port}/1.png"
        assert fetch(Server(f"{odd.url}/v1"), url, tmp_path / "1.part") == b"picture"
        assert odd.seen[0][2]["host"] == f"box.example:{odd.port}"
        assert elsewhere == [] and resolver.asked == ["box.example"]


def test_the_next_address_of_a_name_is_tried(resolver: Resolver, tmp_path: Path) -> None:
    resolver.names["box.example"] = [["127.0.0.7", "127.0.0.1"]]
    with odd_server(lambda _: (200, {}, b"picture")) as odd:
        url = f"http://box.example:{odd.port}/1.png"
        assert fetch(Server(f"{odd.url}/v1"), url, tmp_path / "1.part") == b"picture"


def test_tls_goes_by_the_name_and_not_by_the_address(
    resolver: Resolver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, named = trustme.CA(), []
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    resolver.names.update({name: [["127.0.0.1"]] for name in ("one.example", "one.example.", "two.example")})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("one.example").configure_cert(context)
    context.sni_callback = lambda _, name, __: named.append(name)
    with odd_server(lambda _: (200, {}, b"picture"), tls=context) as odd:
        server = Server(f"http://localhost:{odd.port}/v1")
        assert fetch(server, f"https://one.example:{odd.port}/1.png", tmp_path / "1.part") == b"picture"
        assert set(named) == {"one.example"}
        # A full name may end in a dot, which no certificate has
        assert fetch(server, f"https://one.example.:{odd.port}/1.png", tmp_path / "3.part") == b"picture"
        assert set(named) == {"one.example"}
        assert odd.seen[-1][2]["host"] == f"one.example.:{odd.port}"
        assert send(Server(f"https://one.example.:{odd.port}/v1")).status == 200
        # The same address under a name that it has no certificate for
        with pytest.raises(DownloadError, match="certificate") as caught:
            fetch(server, f"https://two.example:{odd.port}/1.png", tmp_path / "2.part")
        assert "SSL_CERT_FILE" in caught.value.hint
        assert len(odd.seen) == 3 and named[-1] == "two.example"


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "100.64.0.1", "169.254.169.254", "198.18.0.5", "224.0.0.1", "0.0.0.0", "255.255.255.255"),
        *("::", "::1", "fe80::1", "fd00::1", "ff02::1"),
        *("::ffff:10.0.0.1", "::10.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::7f00:1"),
        *("fec0::1", "feff::1", "192.0.0.8", "192.0.0.192", "5f00::1", "3fff::1", "3fff:fff::1"),
        *("64:ff9b:1::10.0.0.1", "64:ff9b:1:a00:0:100::", "2002:a00:1::1", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
        *("2606:4700::5efe:10.0.0.1", "2606:4700::200:5efe:a9fe:a9fe", "192.88.99.1", "168.63.129.16"),
    ],
)
def test_a_private_address_is_seen_through_what_carries_it(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "2606:4700::1", "64:ff9b::8.8.8.8", "2002:808:808::1", "::ffff:8.8.8.8", "2606:4700::5efe:8.8.8.8"],
)
def test_a_public_address_is_one_also_where_it_is_carried(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("host", ["64:ff9b::10.0.0.1", "2002:a00:1::1"])
def test_a_link_to_an_address_that_carries_a_private_one_is_refused(host: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="private") as caught:
        fetch(LUMENFALL, f"http://[{host}]/1.png", tmp_path / "1.part")
    assert caught.value.code == "LINK_PRIVATE"
    assert "response_format to b64_json" in caught.value.hint


def test_a_name_with_one_private_address_among_others_is_refused(resolver: Resolver, tmp_path: Path) -> None:
    resolver.names["mixed.example"] = [["8.8.8.8", "10.0.0.1"]]
    with pytest.raises(DownloadError, match="private"):
        fetch(LUMENFALL, "http://mixed.example/1.png", tmp_path / "1.part")


# The server's own machine


def own_address() -> str:
    """That by which this machine is known on its network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect((SOMEWHERE, 9))  # sends nothing
        address: str = probe.getsockname()[0]
        if not address.startswith("127.") and is_own(ipaddress.ip_address(address)):
            return address
    pytest.skip("this machine has no network")


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST.", "127.0.0.1", "127.1", "[::ffff:127.0.0.1]", "box.example"])
def test_all_names_of_this_machine_are_one(name: str, resolver: Resolver, tmp_path: Path) -> None:
    resolver.names["box.example"] = [["127.0.0.1"]]
    with odd_server(lambda _: (200, {}, b"picture")) as odd:
        url = f"http://{name}:{odd.port}/1.png"
        assert fetch(Server(f"http://localhost:{odd.port}/v1"), url, tmp_path / "1.part") == b"picture"


def test_a_server_on_this_machine_may_name_it_by_its_address_on_the_network(tmp_path: Path) -> None:
    own = own_address()
    with listener(own, 0) as _, socket.create_server((own, 0)) as free:
        port = free.getsockname()[1]
    with listener(own, port):
        assert fetch(Server("http://127.0.0.1:9/v1"), f"http://{own}:{port}/1.png", tmp_path / "1.part") == b"secret"


def test_a_server_at_an_address_of_this_machine_may_hand_out_loopback_links(tmp_path: Path) -> None:
    own = own_address()
    with odd_server(lambda _: (200, {}, b"picture")) as odd:
        url = f"http://localhost:{odd.port}/1.png"
        assert fetch(Server(f"http://{own}:9/v1"), url, tmp_path / "1.part") == b"picture"


@pytest.mark.parametrize("server", ["http://192.168.7.7:9/v1", "http://nas.example:9/v1"])
@pytest.mark.parametrize("link", ["192.168.7.7", "other.example"])
def test_a_server_on_the_network_may_name_its_own_address(
    server: str, link: str, resolver: Resolver, tmp_path: Path, connected: list[str]
) -> None:
    resolver.names.update({"nas.example": [["192.168.7.7"]], "other.example": [["192.168.7.7"]]})
    assert fetch(Server(server, KEY), f"http://{link}:9/1.png", tmp_path / "1.part") == b"picture"
    assert connected == ["192.168.7.7"]


@pytest.mark.parametrize("link", ["127.0.0.1", "localhost", "192.168.7.8", "[fd00::7]"])
def test_a_server_on_the_network_may_name_no_other_machine_of_it(link: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="private"):
        fetch(Server("http://192.168.7.7:9/v1", KEY), f"http://{link}:9/1.png", tmp_path / "1.part")


def test_a_name_that_only_resolves_to_this_machine_opens_none_of_its_doors(resolver: Resolver, tmp_path: Path) -> None:
    resolver.names["evil.example"] = [["127.0.0.1"]]
    with odd_server(lambda _: (200, {}, b"secret")) as odd:
        with pytest.raises(DownloadError, match="private"):
            fetch(Server("http://evil.example/v1", KEY), f"http://127.0.0.2:{odd.port}/1.png", tmp_path / "1.part")
        assert odd.seen == []


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> str:
    """An address of this machine that counts as one of the internet."""
    real = destinations.is_public
    monkeypatch.setattr(destinations, "is_public", lambda address: str(address) == "127.0.0.1" or real(address))
    return "127.0.0.1"


@pytest.mark.parametrize("private", ["127.0.0.3", "10.0.0.5", "fd00::5"])
def test_a_name_with_a_public_address_makes_no_private_one_its_own(
    private: str, resolver: Resolver, tmp_path: Path, connected: list[str]
) -> None:
    resolver.names["both.example"] = [[private, SOMEWHERE], [private]]
    host = f"[{private}]" if ":" in private else private
    with pytest.raises(DownloadError, match="private"):
        fetch(Server("https://both.example/v1", KEY), f"http://{host}:9/1.png", tmp_path / "1.part")
    assert connected == []


def test_a_private_address_beside_the_public_one_of_the_server_is_left_alone(
    resolver: Resolver, tmp_path: Path, connected: list[str]
) -> None:
    resolver.names["both.example"] = [["10.0.0.5", SOMEWHERE]]
    url = "http://both.example:9/1.png"
    assert fetch(Server("http://both.example:9/v1", KEY), url, tmp_path / "1.part") == b"picture"
    assert connected == [SOMEWHERE]


def ask_then_fetch(server: Server, url: str, partial: Path) -> bytes:
    async def both(opened: Client) -> bytes:
        await opened.get("models")
        return await opened.download(url, partial)

    return using(server, both)


def test_a_name_that_leads_elsewhere_after_the_answer_makes_nothing_its_own(
    resolver: Resolver, tmp_path: Path, public: str
) -> None:
    resolver.names["evil.example"] = [[public], ["127.0.0.3"]]
    with odd_server(lambda _: (200, {}, b"{}")) as odd, listener("127.0.0.3", odd.port) as private:
        server = Server(f"http://evil.example:{odd.port}/v1", KEY)
        for link in (f"http://127.0.0.3:{odd.port}/1.png", "/1.png"):
            resolver.names["evil.example"] = [[public], ["127.0.0.3"]]
            with pytest.raises(DownloadError, match="private"):
                ask_then_fetch(server, link, tmp_path / "1.part")
        assert private == [] and len(odd.seen) == 2


def test_the_machine_that_answered_is_the_servers_own(resolver: Resolver, tmp_path: Path) -> None:
    resolver.names["nas.example"] = [["127.0.0.1"], [SOMEWHERE, "127.0.0.1"]]
    with odd_server(lambda path: (200, {}, b"{}" if "models" in path else b"picture")) as odd:
        server, link = Server(f"http://nas.example:{odd.port}/v1", KEY), f"http://127.0.0.1:{odd.port}/1.png"
        assert ask_then_fetch(server, link, tmp_path / "1.part") == b"picture"


# Behind a proxy


@pytest.mark.parametrize("known", [None, "10.0.0.1", "198.18.0.7"])
def test_what_the_proxy_looks_up_is_not_judged_by_the_resolver_here(
    known: str | None, resolver: Resolver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if known:
        resolver.names["media.example"] = [[known]]
    with recording_proxy() as proxy:
        proxy.body = b"picture"
        monkeypatch.setenv("http_proxy", proxy.url)
        assert fetch(LUMENFALL, "http://media.example/1.png", tmp_path / "1.part") == b"picture"
        assert proxy.asked == [("GET", "http://media.example/1.png")] and resolver.asked == []


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "10.0.0.1.", "0x0a000001.", "169.254.169.254..", "169.254.169.254...", "169.254..169.254"]
)
def test_a_private_address_is_refused_before_the_proxy_hears_of_it(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recording_proxy() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with pytest.raises(DownloadError, match=r"private|not a web address"):
            fetch(LUMENFALL, f"http://{host}/1.png", tmp_path / "1.part")
        assert proxy.connections == 0


def test_a_tunnel_that_gives_stand_ins_for_all_names_is_no_private_machine(
    resolver: Resolver, tmp_path: Path, connected: list[str]
) -> None:
    resolver.names["media.example"] = [["198.18.0.7"]]
    with pytest.raises(DownloadError, match="private"):
        fetch(LUMENFALL, "http://media.example:9/1.png", tmp_path / "1.part")
    resolver.names["api.lumenfall.ai"] = [["198.18.0.8"]]
    assert fetch(LUMENFALL, "http://media.example:9/1.png", tmp_path / "1.part") == b"picture"
    assert connected == ["198.18.0.7"]


# Relative links


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("media/1.png", "/openai/v1/media/1.png"),
        ("./1.png?a=b", "/openai/v1/1.png?a=b"),
        ("../../media/1.png", "/media/1.png"),
        ("/media/1.png", "/media/1.png"),
        ("//localhost:{port}/1.png", "/1.png"),
    ],
)
def test_a_relative_link_is_meant_below_the_base_url(link: str, path: str, tmp_path: Path) -> None:
    with odd_server(lambda _: (200, {}, b"picture")) as odd:
        link = link.format(port=odd.port)
        assert fetch(Server(f"{odd.url}/openai/v1"), link, tmp_path / "1.part") == b"picture"
        assert odd.seen[0][1] == path


@pytest.mark.parametrize("address", ["255.255.255.255", "224.0.0.1", "192.0.2.1", "2001:db8::1", "ff02::1"])
def test_what_many_share_and_what_others_have_is_not_this_machines_own(address: str) -> None:
    assert not is_own(ipaddress.ip_address(address))


# Many addresses


DEAD = [f"127.0.0.{number}" for number in range(100, 120)]
"""Loopback addresses at which nobody listens."""


@pytest.mark.parametrize("dead", [DEAD[:4], DEAD[:8], DEAD[:18]])
def test_the_good_address_is_found_behind_dead_ones(dead: list[str], resolver: Resolver, tmp_path: Path) -> None:
    resolver.names["box.example"] = [[*dead, "127.0.0.1"]]
    with odd_server(lambda _: (200, {}, b"picture")) as odd:
        url = f"http://box.example:{odd.port}/1.png"
        assert fetch(Server(f"{odd.url}/v1"), url, tmp_path / "1.part") == b"picture"
        assert len(odd.seen) == 1


@contextlib.contextmanager
def silent(*addresses: str) -> Iterator[int]:
    """Machines that do not answer whoever connects, as their queues are full; the port that they share."""
    with contextlib.ExitStack() as stack:
        port = 0
        for address in addresses:
            server = stack.enter_context(socket.socket())
            server.bind((address, port))
            server.listen(0)
            port = server.getsockname()[1]
            for _ in range(2):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex((address, port))
        yield port


def test_an_address_that_does_not_answer_holds_up_no_other(resolver: Resolver, tmp_path: Path) -> None:
    resolver.names["box.example"] = [[*DEAD[:6], "127.0.0.1"]]
    with silent(*DEAD[:6]) as port, listener("127.0.0.1", port):
        started = time.monotonic()
        url = f"http://box.example:{port}/1.png"
        assert fetch(Server(f"http://127.0.0.1:{port}/v1"), url, tmp_path / "1.part") == b"secret"
        assert time.monotonic() - started < 5


def test_the_families_take_turns() -> None:
    sixes = [ipaddress.ip_address(f"2606:4700::{number}") for number in range(3)]
    fours = [ipaddress.ip_address(f"8.8.8.{number}") for number in range(2)]
    assert destinations.in_turn([*sixes, *fours]) == [sixes[0], fours[0], sixes[1], fours[1], sixes[2]]
    assert destinations.in_turn([*fours, sixes[0]]) == [fours[0], sixes[0], fours[1]]


def test_the_search_for_an_address_comes_to_an_end(
    resolver: Resolver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MEDIA_TIMEOUT", httpx.Timeout(0.5))
    resolver.names["box.example"] = [DEAD]
    with silent(*DEAD) as port, pytest.raises(DownloadError, match="ConnectTimeout"):
        fetch(Server(f"http://127.0.0.1:{port}/v1"), f"http://box.example:{port}/1.png", tmp_path / "1.part")
