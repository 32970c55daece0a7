"""Which way a request takes: this machine directly, whatever the environment says; everything else as it says."""

from __future__ import annotations

import contextlib
import importlib.util
import ipaddress
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodes.api import Server, is_loopback, no_proxy, read_answer, write_request
from nodes.api.no_proxy import NoProxy
from nodes.api.proxies import Proxies
from nodes.errors import Charged, DownloadError, InputError
from nodes.headless.sandbox import Sandbox
from tests.api.conftest import odd_server, send, using
from tests.api.proxy import Proxy, recording_proxy
from tests.api.test_client import KEY, REQUEST

ROOT = Path(__file__).parents[2]
NAMES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with recording_proxy() as started:
        yield started


def through(monkeypatch: pytest.MonkeyPatch, value: str, *names: str) -> None:
    for name in names:
        monkeypatch.setenv(name, value)


# This machine


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("127.0.0.1", ("HTTP_PROXY",)),
        ("localhost", ("http_proxy",)),
        ("127.0.0.1", ("ALL_PROXY",)),
        ("localhost", ("all_proxy",)),
        ("LOCALHOST", NAMES),
    ],
)
def test_nothing_for_a_server_on_this_machine_reaches_a_proxy(
    name: str,
    variables: tuple[str, ...],
    sandbox: Sandbox,
    proxy: Proxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    through(monkeypatch, proxy.url, *variables)
    server = Server(sandbox.base_url.replace("127.0.0.1", name), KEY)
    link = read_answer(200, {}, send(server).body).pictures[0].url or ""
    assert using(server, lambda opened: opened.dry_run(write_request(REQUEST, server.flavour))).cost
    assert using(server, lambda opened: opened.balance()).amount
    assert using(server, lambda opened: opened.get("models"))["data"]
    using(server, lambda opened: opened.look_up("req_1", "0" * 32, 0.0))
    assert using(server, lambda opened: opened.download(link, tmp_path / "1.part"))
    assert (proxy.seen, proxy.connections) == ([], 0)


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_nor_does_what_is_encrypted(
    variable: str, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    through(monkeypatch, proxy.url, variable)
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with odd_server(lambda _: (200, {}, b"{}"), context) as odd:
        assert send(Server(f"https://127.0.0.1:{odd.port}/v1", KEY)).status == 200
    assert proxy.connections == 0


def test_the_command_lines_sandbox_is_not_asked_through_a_proxy(proxy: Proxy, tmp_path: Path) -> None:
    inputs = {"prompt": "a fox", "model": "gpt-image-2", "size": "64x64", "n": 1, "seed": 1}
    graph = {
        "1": {"class_type": "LumenfallGenerate", "inputs": inputs},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "fox"}},
    }
    (tmp_path / "w.json").write_text(json.dumps(graph))
    environ = {**os.environ, "PYTHONPATH": str(ROOT), **dict.fromkeys(NAMES, proxy.url)}
    command = [sys.executable, "-m", "nodes.headless", "run", "w.json", "--sandbox"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert (proxy.seen, proxy.connections) == ([], 0)
    assert list((tmp_path / "output").glob("fox*.png"))


HERE = [
    *("127.0.0.1", "127.0.0.2", "127.255.255.254", "127.1", "0x7f000001", "0.0.0.0"),
    *("[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::FFFF:7f00:1]", "[::]"),
    *("localhost", "LOCALHOST", "localhost.", "lumenfall.localhost", "a.b.localhost."),
]
ELSEWHERE = [
    *("128.0.0.1", "10.0.0.1", "192.168.0.1", "126.255.255.255", "[::2]", "[fe80::1]", "[::ffff:10.0.0.1]"),
    *(
        "example.com",
        "localhost.example.com",
        "notlocalhost",
        "127.0.0.1.example.com",
        "host.internal",
        "ip6-localhost.example.com",
        "localhost5",
    ),
]


@pytest.mark.parametrize("host", HERE)
@pytest.mark.parametrize("form", ["http://{}", "https://{}:8443/openai/v1", "http://{}:1/"])
def test_what_is_this_machine(host: str, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    through(monkeypatch, "http://proxy.example.test:3128", *NAMES)
    assert is_loopback(form.format(host))
    assert Proxies().is_direct(httpx.URL(form.format(host)))


@pytest.mark.parametrize("host", ELSEWHERE)
def test_what_is_not(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    through(monkeypatch, "http://proxy.example.test:3128", *NAMES)
    assert not is_loopback(f"http://{host}:80/openai/v1")
    assert not Proxies().is_direct(httpx.URL(f"http://{host}:80/openai/v1"))


def test_the_address_that_this_machine_has_in_its_network_is_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine is in no network")
        own = probe.getsockname()[0]
    through(monkeypatch, "http://proxy.example.test:3128", *NAMES)
    assert Proxies().is_direct(httpx.URL(f"http://{own}:8080/v1"))
    assert Proxies().is_direct(httpx.URL(f"https://[::ffff:{own}]:8443/v1"))


HOSTS_NAMES = [
    *("localhost.localdomain", "LocalHost.LocalDomain.", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback"),
    *("localhost4.localdomain4", "localhost6.localdomain6", "ipv6-localhost", "ipv6-loopback"),
]
"""Of this machine in the hosts files of Debian, Red Hat and SUSE."""


def resolving(monkeypatch: pytest.MonkeyPatch, **names: tuple[str, ...]) -> None:
    """Let each of ``names``, dots written as __, have these addresses."""
    resolve = socket.getaddrinfo

    def answer(host: str | bytes, *more: object, **named: object) -> list[tuple[object, ...]]:
        text = host.decode() if isinstance(host, bytes) else host
        addresses = names.get(text.lower().rstrip(".").replace(".", "__").replace("-", "_"), (text,))
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [entry for address in addresses for entry in resolve(address, *more, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@pytest.mark.parametrize("name", [*HOSTS_NAMES, "painter", "painter.example.test", "PAINTER.Example.Test."])
def test_the_key_reaches_this_machine_by_its_other_names_and_not_the_proxy(
    name: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    through(monkeypatch, proxy.url, *NAMES)
    plain = name.lower().rstrip(".").replace(".", "__").replace("-", "_")
    resolving(monkeypatch, **{plain: ("127.0.0.1",)})
    monkeypatch.setattr(socket, "gethostname", lambda: "Painter.example.test")
    with odd_server(lambda _: (200, {}, b"{}")) as odd:
        assert send(Server(f"http://{name}:{odd.port}/v1", KEY)).status == 200
    assert (proxy.seen, proxy.connections) == ([], 0)


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("painter", ("127.0.1.1", "192.0.2.7")),
        ("painter", ("192.0.2.7",)),
        ("painter", ()),
        ("painter.example.org", ("127.0.0.1",)),
        ("rebound.example.test", ("127.0.0.1",)),
    ],
)
def test_a_name_that_only_the_network_gives_this_machine_takes_the_proxy(
    name: str, addresses: tuple[str, ...], proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    through(monkeypatch, proxy.url, "HTTP_PROXY")
    resolving(monkeypatch, **{name.replace(".", "__"): addresses})
    monkeypatch.setattr(socket, "gethostname", lambda: "painter")
    assert send(Server(f"http://{name}:9/v1", KEY)).status == 200
    assert proxy.asked == [("POST", f"http://{name}:9/v1/images/generations")]


@pytest.mark.parametrize("name", ["ip6-localhost", "localhost.localdomain", "painter"])
def test_no_download_is_let_in_by_such_a_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the server is on this machine as well, when all its names are one machine."""
    resolving(monkeypatch, **{name.replace(".", "__").replace("-", "_"): ("127.0.0.1",)})
    monkeypatch.setattr(socket, "gethostname", lambda: "painter")
    with odd_server(lambda _: (200, {}, b"a secret")) as odd, pytest.raises(DownloadError, match="private"):
        link = f"http://{name}:{odd.port}/1.png"
        using(
            Server("https://api.lumenfall.ai/openai/v1", KEY), lambda opened: opened.download(link, tmp_path / "1.part")
        )
    assert not odd.seen


# Everything else


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_a_name_that_only_the_proxy_knows_arrives_there(
    variable: str, scheme: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    through(monkeypatch, scheme + proxy.url.removeprefix("http://"), variable)
    assert send(Server("http://images.example.test/v1", KEY)).status == 200
    assert proxy.asked == [("POST", "http://images.example.test/v1/images/generations")]


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_so_does_a_tunnel(variable: str, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    through(monkeypatch, proxy.url, variable)
    proxy.authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert send(Server("https://images.example.test/v1", KEY)).status == 200
    assert proxy.asked == [("CONNECT", "images.example.test:443"), ("POST", "/v1/images/generations")]


def test_a_picture_from_elsewhere_takes_the_proxy_and_not_the_key(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    through(monkeypatch, proxy.url, "HTTP_PROXY")
    server = Server(sandbox.base_url, KEY)
    proxy.body = b"a picture"
    link = "http://pictures.example.test/1.png"
    assert using(server, lambda opened: opened.download(link, tmp_path / "1.part")) == proxy.body
    assert proxy.asked == [("GET", link)] and KEY not in str(proxy.seen)


SERVER = "http://images.example.test:8080/v1"


@pytest.mark.parametrize(
    ("no_proxy", "url", "is_direct"),
    [
        *[(value, SERVER, True) for value in ("*", "example.com,*", " * ", "a, *")],
        *[
            (value, SERVER, True)
            for value in ("images.example.test", "example.test", ".example.test", "*.example.test")
        ],
        *[
            (value, SERVER, True)
            for value in ("test", "EXAMPLE.Test", "example.test.", "images.*", "im*es.example.test")
        ],
        *[
            (value, SERVER, True)
            for value in ("a.b, example.test", "a.b example.test", "  ,,example.test,, ", "a\tx.y,test")
        ],
        *[(value, SERVER, True) for value in ("example.test:8080", "http://example.test", "all://example.test:8080/")],
        *[
            (value, SERVER, False)
            for value in ("", " ", ",", "ample.test", "s.example.test", "images.example.test.org")
        ],
        *[
            (value, SERVER, False)
            for value in ("example.test:80", "https://example.test", "*.images.example.test.x", "10.0.0.0/8")
        ],
        ("example.com:80", "http://example.com/v1", True),
        ("example.com:443", "https://example.com/v1", True),
        ("example.com:443", "http://example.com/v1", False),
        ("m\N{LATIN SMALL LETTER U WITH DIAERESIS}ller.example", "http://xn--mller-kva.example/v1", True),
        *[(value, "http://10.1.2.3:99/v1", True) for value in ("10.0.0.0/8", "10.1.2.3", "10.1.2.3:99", "10.1.2.3/32")],
        *[(value, "http://10.1.2.3:99/v1", True) for value in ("10.9.9.9/8", "10.*", "0.0.0.0/0", "::ffff:10.1.2.3")],
        *[(value, "http://10.1.2.3:99/v1", False) for value in ("11.0.0.0/8", "10.1.2.3:80", "::/0")],
        # Shortened as macOS has it, and as a prefix.
        *[
            (value, "http://10.1.2.3:99/v1", True)
            for value in ("10.", "10.1", "10.1.", "10.1.2", "10.1.2.", "10.1.2.3.")
        ],
        *[(value, "http://10.1.2.3:99/v1", True) for value in ("10/8", "10.1/16", "10.1./16:99", "10.1/8", "0/0")],
        *[(value, "http://10.1.2.3:99/v1", False) for value in ("10.2", "10.1.3.", "10.2/16", "10/24", "10.1.:80")],
        *[(value, "http://10.0.0.1:99/v1", False) for value in ("10.1", "10.1/16", "10.1.0.0-10.9.0.0")],
        *[(value, "http://10.1.2.3:99/v1", True) for value in ("10.1.2.3-10.1.2.3", "9.0.0.0-10.1.2.3:99", "10.1.*")],
        *[(value, "http://10.1.2.3:99/v1", False) for value in ("10.1.2.4-10.1.2.9", "10.1.0.0-10.1.2.2")],
        *[(value, "http://10.1.2.3:99/v1", True) for value in ("::ffff:10.1.2.0/120", "::ffff:0:0/96", "., 10.1.2.3")],
        *[(value, "http://10.1.2.3:99/v1", False) for value in ("::ffff:10.1.3.0/120", ".")],
        (".", SERVER, False),
        *[
            (value, "http://[fe80::1%25eth0]/v1", True)
            for value in ("fe80::1%eth0", "[fe80::1%25eth0]:80", "fe80::/10")
        ],
        *[(value, "http://[fe80::1%25eth0]/v1", False) for value in ("fe80::1%eth1", "fe80::2%eth0")],
        *[(value, "http://[fe80::1]/v1", False) for value in ("fe80::1%eth0",)],
        *[
            (value, "http://[fd00::5]:99/v1", True)
            for value in ("fd00::5", "[fd00::5]", "[fd00::5]:99", "fd00::/8", "[fd00::]/8")
        ],
        *[(value, "http://[fd00::5]:99/v1", True) for value in ("FD00:0::0005", "http://[fd00::5]")],
        *[(value, "http://[fd00::5]:99/v1", False) for value in ("[fd00::5]:80", "fe80::/10", "0.0.0.0/0")],
        ("10.0.0.0/8", "http://[::ffff:10.1.2.3]/v1", True),
        ("10.0.0.0/8", "http://ten.example.test/v1", False),
    ],
)
@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_no_proxy(variable: str, no_proxy: str, url: str, is_direct: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    through(monkeypatch, "http://proxy.example.test:3128", "http_proxy", "HTTPS_PROXY")
    monkeypatch.setenv(variable, no_proxy)
    assert Proxies().is_direct(httpx.URL(url)) is is_direct


def test_what_no_proxy_names_is_reached(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    through(monkeypatch, proxy.url, *NAMES)
    monkeypatch.setenv("NO_PROXY", ".example.test")
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *more, **named: resolve("127.0.0.1", *more, **named))
    with odd_server(lambda _: (200, {}, b"{}")) as odd:
        assert send(Server(f"http://images.example.test:{odd.port}/v1", KEY)).status == 200
    assert proxy.connections == 0


addresses = st.one_of(
    st.ip_addresses(), *(st.ip_addresses(network=network) for network in ("10.0.0.0/8", "fd00::/8", "::ffff:0:0/96"))
)
networks = addresses.flatmap(
    lambda address: st.builds(
        lambda length: ipaddress.ip_network(f"{address}/{length}", strict=False), st.integers(0, address.max_prefixlen)
    )
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(networks, addresses)
def test_ranges_hold_what_is_in_them(
    monkeypatch: pytest.MonkeyPatch,
    network: ipaddress.IPv4Network | ipaddress.IPv6Network,
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    through(monkeypatch, "http://proxy.example.test:3128", "HTTP_PROXY")
    monkeypatch.setenv("NO_PROXY", str(network))
    url = httpx.URL(f"http://{f'[{address}]' if address.version == 6 else address}/v1")
    mapped = getattr(address, "ipv4_mapped", None) or address
    base = getattr(network.network_address, "ipv4_mapped", None)
    if base and network.prefixlen >= 96:
        network = ipaddress.ip_network(f"{base}/{network.prefixlen - 96}")
    assert Proxies().is_direct(url) is (mapped in network or is_loopback(str(url)))


numbers = st.lists(st.one_of(st.just(10), st.integers(0, 255)), min_size=1, max_size=4)


@given(numbers, st.none() | st.integers(0, 32), st.booleans(), st.ip_addresses(v=4), st.integers(0, 32))
def test_shortened_addresses_are_ranges(
    parts: list[int], length: int | None, dot: bool, address: ipaddress.IPv4Address, shared: int
) -> None:
    """``10.1``, ``10.1.`` and ``10.1/16`` are what ipaddress calls 10.1.0.0/16."""
    text = ".".join(map(str, parts)) + "." * (dot or (len(parts) == 1 and length is None))
    full = ".".join(map(str, [*parts, 0, 0, 0][:4]))
    network = ipaddress.ip_network(f"{full}/{8 * len(parts) if length is None else length}", strict=False)
    # An address that shares its first bits with the entry.
    kept = int(network.network_address) >> (32 - shared) << (32 - shared)
    near = ipaddress.IPv4Address(kept | int(address) & ((1 << (32 - shared)) - 1))
    entry = text if length is None else f"{text}/{length}"
    for target in (address, near):
        assert NoProxy(entry).covers(httpx.URL(f"http://{target}/v1")) is (target in network)


@given(st.lists(st.ip_addresses(v=4) | st.ip_addresses(network="10.0.0.0/28"), min_size=3, max_size=3))
def test_a_range_holds_what_is_between_its_ends(three: list[ipaddress.IPv4Address]) -> None:
    first, last = sorted(three[:2])
    assert NoProxy(f"{first}-{last}").covers(httpx.URL(f"http://{three[2]}/v1")) is (first <= three[2] <= last)


@given(st.text("0123456789./-:*x", min_size=1, max_size=20), st.ip_addresses(v=4))
def test_numbers_are_what_ipaddress_says_or_refused(text: str, address: ipaddress.IPv4Address) -> None:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        with contextlib.suppress(InputError):
            NoProxy(text).covers(httpx.URL(f"http://{address}/v1"))
        return
    if not text.isdigit():
        assert NoProxy(text).covers(httpx.URL(f"http://{address}/v1")) is (address in network)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"])))
def test_any_no_proxy_is_understood_or_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    through(monkeypatch, "http://proxy.example.test:3128", *NAMES)
    monkeypatch.setenv("NO_PROXY", value)
    assert Proxies().is_direct(httpx.URL("http://[::1]:80/v1"))
    try:
        Proxies().is_direct(httpx.URL(SERVER))
    except InputError as error:
        assert error.code == "NETWORK_SETTINGS"


# What cannot be used

BAD_PROXIES = [
    *(
        "socks5://127.0.0.1:1",
        "socks5h://user:hunter2@127.0.0.1:1",
        "socks://127.0.0.1:1",
        "ftp://user:hunter2@127.0.0.1",
    ),
    *("foo bar", "http://foo bar", "http://", "http://:3128", "http://127.0.0.1:99999", "http://127.0.0.1:0"),
    *("http://user:hunter2/x@127.0.0.1:1", "http://[::1", "http://a\x7f"),
]
UMLAUT = "m\N{LATIN SMALL LETTER U WITH DIAERESIS}ller"
ADDRESS = "http://10.1.2.3:8080/v1"

BAD_EXCEPTIONS = [
    ("example.com:port", "http://api.example.com/v1"),
    ("example.com:*", "http://example.com/v1"),
    ("example.com/8", "http://example.com/v1"),
    ("[example.com]", "http://example.com/v1"),
    ("'example.com'", "http://example.com/v1"),
    ("example.com;example.org", "http://api.example.org/v1"),
    ("http://example.com/path", "http://example.com/v1"),
    ("<local>", "http://painting-box/v1"),
    ("*.", SERVER),
    (".*", SERVER),
    *((f"{UMLAUT}{mark}example.test", SERVER) for mark in "?#\\"),
    # Numbers that others read in other ways, or not at all.
    *(
        (value, ADDRESS)
        for value in (
            *("1", "0", "3232235521", "192.168.001.1", "010.0.0.1", "0x7f000001", "0x0a.1", "10.256", "1.2.3.4.5"),
            *(".1.1", "10.0.0.9-10.0.0.1", "10.0.0.1-9", "10.0.0.0/255.0.0.0", "10.0.0.1;10.0.0.2", "10.0.0.1:*"),
            *("\N{FULLWIDTH DIGIT ONE}0.1", "10.0.0.0/99", "192.168.1.0/33", "10.0.0.1-10.0.0.9/24"),
            *("[::1", "[::1]:*", "fe80::1%", "::ffff:192.0.2.0/129", "::ffff:10.0.0.0/8"),
        )
    ),
]
"""What cannot be understood, and a server for which it may be meant."""

NOBODYS = ["/var/run/docker.sock", "${NO_PROXY}", "$no_proxy", "http://", "a..b", "..", "~", "#comment", "localhost:*"]
"""What no tool takes for a server."""


@pytest.mark.parametrize(
    ("variable", "value"), [*[("HTTP_PROXY", value) for value in BAD_PROXIES], ("all_proxy", BAD_PROXIES[0])]
)
def test_a_proxy_that_cannot_be_used_is_named_before_anything_is_sent(
    variable: str, value: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    through(monkeypatch, value, variable)
    with pytest.raises(InputError, match=variable.upper()) as caught:
        send(Server(SERVER, KEY))
    assert caught.value.code == "NETWORK_SETTINGS" and "hunter2" not in str(caught.value)
    assert send(Server(sandbox.base_url, KEY)).status == 200, "a server on this machine needs none"


@pytest.mark.parametrize(("value", "server"), BAD_EXCEPTIONS)
def test_so_is_a_no_proxy_that_may_be_meant_for_the_server(
    value: str, server: str, sandbox: Sandbox, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    through(monkeypatch, proxy.url, "HTTP_PROXY")
    monkeypatch.setenv("NO_PROXY", f"example.net,{value}")
    with pytest.raises(InputError, match="NO_PROXY") as caught:
        send(Server(server, KEY))
    assert caught.value.code == "NETWORK_SETTINGS" and value in str(caught.value)
    assert send(Server(sandbox.base_url, KEY)).status == 200
    assert proxy.connections == 0


OTHERS = [value for value, server in BAD_EXCEPTIONS if server != SERVER]


@pytest.mark.parametrize("value", [*OTHERS, *NOBODYS])
def test_what_is_meant_for_no_server_that_is_asked_is_passed_over_and_named_once(
    value: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(no_proxy, "_warned", set())
    through(monkeypatch, proxy.url, "HTTP_PROXY")
    monkeypatch.setenv("NO_PROXY", f"169.254.169.254,{value},example.net")
    for _ in range(2):
        send(Server(SERVER, KEY))
    assert len(proxy.asked) == 2
    (warning,) = [record.getMessage() for record in caplog.records if "NO_PROXY" in record.getMessage()]
    assert value in warning


def test_a_download_is_not_held_up_by_what_only_the_key_must_not_meet(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.body = b"picture"
    through(monkeypatch, proxy.url, "HTTP_PROXY")
    monkeypatch.setenv("NO_PROXY", "example.com:*")
    server, link = Server(SERVER, KEY), "http://example.com/1.png"
    assert using(server, lambda opened: opened.download(link, tmp_path / "1.part")) == b"picture"


def test_what_names_the_server_in_a_way_that_can_be_understood_counts(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    through(monkeypatch, proxy.url, "HTTP_PROXY")
    monkeypatch.setenv("NO_PROXY", "example.test:*,example.test")
    assert Proxies().is_direct(httpx.URL(SERVER))
    Proxies().check(SERVER, ssl.create_default_context())


@pytest.mark.parametrize(
    "value",
    [
        "user:hunter2@proxy.example.test:3128",
        "http://user:hunter2@proxy.example.test:3128",
        "user:hunter2,x@proxy.example.test",
        "user:hunter2 x@proxy.example.test",
        "a.test,http://user:hunter2@[::1",
        "hunter2\N{LATIN SMALL LETTER U WITH DIAERESIS}@proxy.example.test",
    ],
)
def test_a_password_in_no_proxy_is_not_shown(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    through(monkeypatch, "http://proxy.example.test:3128", "HTTP_PROXY")
    monkeypatch.setenv("NO_PROXY", value)
    with pytest.raises(InputError, match="NO_PROXY") as caught:
        send(Server(SERVER, KEY))
    assert caught.value.code == "NETWORK_SETTINGS"
    assert "hunter2" not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"


@pytest.mark.skipif(importlib.util.find_spec("socksio") is not None, reason="the package is there")
@pytest.mark.parametrize("spelling", ["socks5", "socks5h", "socks", "SOCKS5", "Socks5H"])
def test_socks_is_understood_in_every_spelling(spelling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    through(monkeypatch, f"{spelling}://user:hunter2@127.0.0.1:1", "ALL_PROXY")
    with pytest.raises(InputError, match=r'pip install "httpx\[socks\]"') as caught:
        send(Server(SERVER, KEY))
    assert "hunter2" not in str(caught.value)


def test_a_picture_whose_proxy_cannot_be_used_is_not_lost(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    through(monkeypatch, "socks5://127.0.0.1:1", "ALL_PROXY")
    server = Server(sandbox.base_url, KEY)
    with pytest.raises(DownloadError, match="ALL_PROXY") as caught:
        using(server, lambda opened: opened.download("https://pictures.example.test/1.png", tmp_path / "1.part"))
    assert caught.value.charged is Charged.YES
