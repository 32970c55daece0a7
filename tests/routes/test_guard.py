"""Who may use the pack's routes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.routes.guard import Needs, Visit, refusal

HERE = "127.0.0.1"
PAGE = {
    "host": "127.0.0.1:8188",
    "x-lumenfall": "1",
    "sec-fetch-site": "same-origin",
    "origin": "http://127.0.0.1:8188",
}


def code(
    method: str = "GET",
    peer: str | None = HERE,
    environ: dict[str, str] | None = None,
    needs: Needs | None = None,
    **headers: str,
) -> str | None:
    """The code of the refusal; an empty header is left out. Underscores in names are dashes. POST stands for a change,
    GET for a look, unless ``needs`` says otherwise.
    """
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {name: value for name, value in {**PAGE, **named}.items() if value}
    needs = needs or {"GET": Needs.KNOWN_NAME, "POST": Needs.OWN_MACHINE}[method]
    found = refusal(Visit(method, sent, peer), environ or {}, needs)
    return found and found.code


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": ""},
        {"sec_fetch_site": ""},
        {"sec_fetch_site": "none"},
        {"host": "localhost:8188", "origin": "http://localhost:8188"},
        {"host": "LOCALHOST", "origin": "http://localhost"},
        {"host": "[::1]:8188", "origin": "http://[::1]:8188"},
        {"host": "192.168.1.5:8188", "origin": "http://192.168.1.5:8188"},
        {"host": "[fe80::1%25eth0]:8188", "origin": "http://[fe80::1%25eth0]:8188"},
        {"host": "comfy.localhost:8188", "origin": "http://comfy.localhost:8188"},
    ],
)
def test_comfyuis_own_page_may_read_and_write(headers: dict[str, str]) -> None:
    assert code(**headers) is None
    assert code("POST", **headers, **{"content_type": "application/json; charset=utf-8"}) is None


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"x_lumenfall": ""}, "HEADER"),
        ({"x_lumenfall": "0"}, "HEADER"),
        ({"host": "evil.test", "origin": "http://evil.test"}, "HOST"),
        ({"host": "evil.test:8188", "origin": "http://evil.test:8188"}, "HOST"),
        ({"host": "localhost.evil.test", "origin": "http://localhost.evil.test"}, "HOST"),
        ({"host": "127.0.0.1.evil.test", "origin": ""}, "HOST"),
        ({"host": "127.0.0.1@evil.test", "origin": ""}, "HOST"),
        ({"host": "", "origin": ""}, "HOST"),
        ({"host": "[", "origin": ""}, "HOST"),
        ({"host": "[::1].evil.test", "origin": ""}, "HOST"),
        ({"host": "evil.test@127.0.0.1", "origin": ""}, "HOST"),
        ({"host": "localhost/evil.test", "origin": ""}, "HOST"),
        ({"host": "localhost#.evil.test", "origin": ""}, "HOST"),
        ({"host": "0x7f.1", "origin": ""}, "HOST"),
        ({"host": "127.0.0.1:8188:80", "origin": ""}, "HOST"),
        ({"origin": "http://["}, "ORIGIN"),
        ({"origin": "http://[x]:8188"}, "ORIGIN"),
        ({"origin": "http://evil.test"}, "ORIGIN"),
        ({"origin": "null"}, "ORIGIN"),
        ({"origin": "http://127.0.0.1:9000"}, "ORIGIN"),
        ({"origin": "http://127.0.0.1:8188.evil.test"}, "ORIGIN"),
        ({"sec_fetch_site": "cross-site"}, "ORIGIN"),
        ({"sec_fetch_site": "same-site"}, "ORIGIN"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nobody_else_may_even_read(method: str, headers: dict[str, str], why: str) -> None:
    assert code(method, **{"content_type": "application/json", **headers}) == why


@pytest.mark.parametrize("kind", ["", "text/plain", "multipart/form-data", "application/x-www-form-urlencoded"])
def test_what_a_form_can_send_is_not_read(kind: str) -> None:
    assert code("POST", content_type=kind) == "CONTENT_TYPE"


@pytest.mark.parametrize(
    ("peer", "headers"),
    [
        ("192.168.1.7", {}),
        (None, {}),
        ("nonsense", {}),
        (HERE, {"x_forwarded_for": "203.0.113.9"}),
        (HERE, {"x_real_ip": "203.0.113.9"}),
        (HERE, {"forwarded": "for=203.0.113.9"}),
        (HERE, {"x_forwarded_host": "comfy.test"}),
        (HERE, {"x_forwarded_proto": "https"}),
        (HERE, {"via": "1.1 proxy.test"}),
        (HERE, {"cf_connecting_ip": "203.0.113.9"}),
    ],
)
def test_other_machines_may_look_but_not_change_unless_allowed(peer: str | None, headers: dict[str, str]) -> None:
    assert code("GET", peer, **headers) is None
    assert code("POST", peer, **headers, **{"content_type": "application/json"}) == "REMOTE"
    allowed = {"LUMENFALL_REMOTE": "on"}
    assert code("POST", peer, allowed, **headers, **{"content_type": "application/json"}) is None


def test_who_sits_there_and_came_by_the_networks_address_is_told_how_to_come() -> None:
    """The server sees its own address then, which some containers give to everybody outside too."""
    address = "192.168.1.20"
    sent = {**PAGE, "host": address, "origin": f"http://{address}", "content-type": "application/json"}
    found = refusal(Visit("POST", sent, address), {}, Needs.OWN_MACHINE)
    assert found is not None and "by localhost or 127.0.0.1" in found.message


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_known_under_all_its_addresses(peer: str) -> None:
    assert code("POST", peer, content_type="application/json") is None


def test_a_name_is_allowed_only_where_it_was_listed() -> None:
    named = {"host": "comfy.home:8188", "origin": "http://comfy.home:8188"}
    assert code(**named) == "HOST"
    assert code(environ={"LUMENFALL_HOSTS": "other, Comfy.home"}, **named) is None
    assert code(environ={"LUMENFALL_HOSTS": "comfy.home:8188"}, **named) is None
    assert code(environ={"LUMENFALL_HOSTS": "comfy.home:80, home, *"}, **named) == "HOST"
    assert code(environ={"LUMENFALL_HOSTS": ", ,"}, host="", origin="") == "HOST"


@pytest.mark.parametrize(
    ("listed", "name", "why"),
    [
        ("*.proxy.runpod.net", "abc-8188.proxy.runpod.net", None),
        ("a, *.Proxy.runpod.net ", "x.y.PROXY.runpod.net", None),
        ("*.proxy.runpod.net", "proxy.runpod.net", "HOST"),
        ("*.proxy.runpod.net", "evilproxy.runpod.net", "HOST"),
        ("*.proxy.runpod.net", ".proxy.runpod.net", "HOST"),
        ("*.proxy.runpod.net", "abc.proxy.runpod.net.evil.test", "HOST"),
        ("*.net", "evil.net", "HOST"),
        ("*", "evil.test", "HOST"),
        ("*.*.net", "a.evil.net", "HOST"),
        ("a*.evil.test", "ab.evil.test", "HOST"),
    ],
)
def test_a_wildcard_allows_the_names_below_one(listed: str, name: str, why: str | None) -> None:
    assert code(environ={"LUMENFALL_HOSTS": listed}, host=name, origin=f"https://{name}") == why


def test_what_tells_nothing_of_the_user_is_answered_under_any_name_and_on_any_machine() -> None:
    """A tunnel, a name in the local network, another machine: the model list and the prices work."""
    named = {"host": "abc-8188.tunnel.test", "origin": "https://abc-8188.tunnel.test"}
    for method in ("GET", "POST"):
        asked = {"content_type": "application/json", "x_forwarded_for": "203.0.113.9", **named}
        assert code(method, "10.0.0.7", needs=Needs.ANY_NAME, **asked) is None
        assert code(method, needs=Needs.ANY_NAME, **{**asked, "origin": "http://evil.test"}) == "ORIGIN"
        assert code(method, needs=Needs.ANY_NAME, **{**asked, "x_lumenfall": ""}) == "HEADER"
        assert code(method, needs=Needs.ANY_NAME, **{**asked, "host": "a@b", "origin": ""}) == "HOST"


def test_who_is_refused_for_a_name_is_told_what_to_set() -> None:
    told = refusal(Visit("GET", {**PAGE, "host": "Comfy.home:8188"}, HERE), {}, Needs.KNOWN_NAME)
    assert told is not None and "comfy.home" in told.message
    assert "LUMENFALL_HOSTS=comfy.home " in told.hint and "restart" in told.hint


@pytest.mark.parametrize("value", ["", "off", "0", "no", "false", "perhaps"])
def test_other_machines_are_let_in_by_a_clear_word_only(value: str) -> None:
    assert code("POST", "10.0.0.7", {"LUMENFALL_REMOTE": value}, content_type="application/json") == "REMOTE"


@given(host=st.text(max_size=40), origin=st.text(max_size=60), site=st.text(max_size=20))
def test_whatever_is_sent_the_guard_answers(host: str, origin: str, site: str) -> None:
    assert code(host=host, origin=origin, sec_fetch_site=site) in (None, "HOST", "ORIGIN")


@given(st.text(alphabet="htp:/[]@#?%.127x\u2100", max_size=30))
def test_no_origin_but_the_pages_own_gets_in(origin: str) -> None:
    assert code(origin=origin) == ("ORIGIN" if origin else None)


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz.-", min_size=1, max_size=30))
def test_a_name_of_letters_never_gets_in(name: str) -> None:
    if not (name == "localhost" or name.endswith(".localhost")):
        assert code(host=name, origin="") == "HOST"
