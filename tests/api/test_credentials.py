"""Which server is asked, and with which key."""

import json
import re
from pathlib import Path

import pytest

from nodes.api import Client, Server, client, resolve_server
from nodes.errors import CredentialError

ROOT = Path(__file__).parents[2]
LUMENFALL = "https://api.lumenfall.ai/openai/v1"
OTHER = "https://images.example.org/v1"


class Machine:
    """A home with the places where a key may lie."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder / "data"
        self.login_dir = folder / "login"
        self.environ = {"LUMENFALL_CONFIG_DIR": str(self.login_dir)}

    def settings(self, **content: str) -> None:
        self.data_dir.mkdir(exist_ok=True)
        (self.data_dir / "settings.json").write_text(json.dumps(content))

    def login(self, **content: str) -> None:
        self.login_dir.mkdir(exist_ok=True)
        (self.login_dir / "credentials.json").write_text(json.dumps(content))

    def resolve(self) -> Server:
        return resolve_server(self.environ, self.data_dir)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_environment_wins_over_settings_over_login(machine: Machine) -> None:
    machine.login(api_key="from-login", refresh_token="never")
    assert machine.resolve() == Server(LUMENFALL, "from-login")
    machine.settings(api_key="from-settings")
    assert machine.resolve() == Server(LUMENFALL, "from-settings")
    machine.environ["LUMENFALL_API_KEY"] = " from-environment\n"
    assert machine.resolve() == Server(LUMENFALL, "from-environment")


def test_no_key_says_in_one_sentence_how_to_get_and_set_one(machine: Machine) -> None:
    with pytest.raises(CredentialError) as caught:
        machine.resolve()
    assert "https://lumenfall.ai/app/api_keys" in str(caught.value)
    assert "LUMENFALL_API_KEY" in str(caught.value)
    assert "not charged" in str(caught.value)


def test_a_key_is_never_used_with_another_sources_server(machine: Machine) -> None:
    machine.environ["LUMENFALL_BASE_URL"] = OTHER
    machine.settings(api_key="for-lumenfall")
    machine.login(api_key="for-lumenfall-too")
    with pytest.raises(CredentialError, match=r"belongs to another server than images\.example\.org"):
        machine.resolve()
    machine.settings(api_key="for-other", base_url=OTHER)
    assert machine.resolve() == Server(OTHER, "for-other")


def test_an_environment_key_alone_is_lumenfalls(machine: Machine) -> None:
    machine.environ["LUMENFALL_API_KEY"] = "for-lumenfall"
    machine.settings(base_url=OTHER)
    with pytest.raises(CredentialError, match="together"):
        machine.resolve()


@pytest.mark.parametrize("other", ["http://api.lumenfall.ai/openai/v1", "https://api.lumenfall.ai:8443/openai/v1"])
def test_scheme_and_port_are_part_of_the_binding(machine: Machine, other: str) -> None:
    machine.environ["LUMENFALL_BASE_URL"] = other
    machine.login(api_key="for-lumenfall")
    with pytest.raises(CredentialError):
        machine.resolve()


@pytest.mark.parametrize("base", ["http://127.0.0.1:8787/openai/v1/", "http://localhost:1/v1", "http://[::1]:9/v1"])
def test_a_server_on_this_machine_needs_no_key(machine: Machine, base: str) -> None:
    machine.login(api_key="for-lumenfall")
    machine.environ["LUMENFALL_BASE_URL"] = base
    assert machine.resolve() == Server(base.rstrip("/"), None)


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schl\u00fcssel"])
def test_a_key_that_cannot_be_one_is_refused_and_not_quoted(machine: Machine, key: str) -> None:
    machine.environ["LUMENFALL_API_KEY"] = key
    with pytest.raises(CredentialError) as caught:
        machine.resolve()
    assert key not in str(caught.value)


def test_a_damaged_login_does_not_matter_beside_a_key(machine: Machine) -> None:
    machine.environ["LUMENFALL_API_KEY"] = "from-environment"
    machine.login_dir.mkdir()
    (machine.login_dir / "credentials.json").write_text("{")
    assert machine.resolve() == Server(LUMENFALL, "from-environment")


def test_settings_may_be_saved_by_windows_notepad(machine: Machine) -> None:
    machine.data_dir.mkdir()
    (machine.data_dir / "settings.json").write_text('{"api_key": "k"}', encoding="utf-8-sig")
    assert machine.resolve() == Server(LUMENFALL, "k")


@pytest.mark.parametrize("content", ["{", "[1]", '"text"', '{"api_key": 5}'])
def test_a_damaged_settings_file_is_named_or_ignored(machine: Machine, content: str) -> None:
    machine.data_dir.mkdir()
    (machine.data_dir / "settings.json").write_text(content)
    with pytest.raises(CredentialError):
        machine.resolve()


def test_the_key_is_in_no_repr() -> None:
    assert "secret" not in repr(Server(LUMENFALL, "secret"))


def test_only_the_resolver_reads_the_variables() -> None:
    readers = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "nodes").rglob("*.py")
        if re.search(r"KEY_VARIABLE|[\"']LUMENFALL_API_KEY", path.read_text(encoding="utf-8"))
    }
    # The command line only takes the variable away, before it starts the sandbox.
    assert readers - {"nodes/headless/host.py"} == {"nodes/api/credentials.py"}


def test_a_zone_may_be_written_as_urls_write_it(machine: Machine) -> None:
    for written in ("http://[fe80::1%25eth0]:8000/v1", "http://[fe80::1%eth0]:8000/v1"):
        machine.environ = {"LUMENFALL_BASE_URL": written, "LUMENFALL_API_KEY": "k"}
        assert machine.resolve() == Server("http://[fe80::1%eth0]:8000/v1", "k")


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("lmnfl_key_abc.c2VjcmV0IG9mIGE", "no user with c2VjcmV0IG9mIGE"),
        ("lmnfl_key.abc.c2VjcmV0IG9mIGE", "no user with c2VjcmV0IG9mIGE"),
        ("lmnfl_key.abc.c2VjcmV0IG9mIGE", "no user with abc.c2VjcmV0IG9mIGE"),
        ("sk-or-v1-0123456789abcdef0123456789", "no user with 0123456789abcdef0123456789"),
        ("sk-proj-Ab_9-cdefghijklmnopqrstuvw", "no user with Ab_9-cdefghijklmnopqrstuvw"),
    ],
)
def test_the_secret_part_of_a_key_is_cut_out_too(key: str, told: str) -> None:
    server = Server(LUMENFALL, key)
    assert server.redact(told.encode()) == b"no user with ***"
    assert server.without_key({"error": told, "key": key}) == {"error": "no user with ***", "key": "***"}


@pytest.mark.parametrize(
    "key", ["lmnfl_photograph.painting", "my-own-photographers-illustrations", "local.key", "none"]
)
def test_no_part_of_a_key_that_is_a_word_is_cut_out_of_a_text(key: str) -> None:
    text = b"painting, own, photographers, illustrations, local, key, none, lmnfl_photograph"
    assert Server(LUMENFALL, key).redact(text) == text


SECRET = "lmnfl_id.secret"


@pytest.mark.parametrize(
    ("base_url", "key", "warned"),
    [
        ("http://images.example/v1", SECRET, True),
        ("http://192.168.7.7:8000/v1", SECRET, True),
        ("https://images.example/v1", SECRET, False),
        ("http://localhost:8000/v1", SECRET, False),
        ("http://[::1]:8000/v1", SECRET, False),
        ("http://192.168.7.7:8000/v1", "none", False),
        ("http://192.168.7.7:8000/v1", None, False),
    ],
)
def test_a_key_that_travels_in_clear_is_warned_of_once(
    base_url: str, key: str | None, warned: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_warned", set())
    for _ in range(2):
        Client(Server(base_url, key))
    assert [SECRET in record.message for record in caplog.records if "in clear" in record.message] == [False] * warned


@pytest.mark.parametrize(
    "pasted", ['"{}"', "'{}'", " {}\n", "Bearer {}", "Authorization: bearer {}", "\u200b{}\u2060", '"Bearer {}"']
)
def test_a_key_is_read_however_it_was_copied(pasted: str, tmp_path: Path) -> None:
    environ = {"LUMENFALL_BASE_URL": "https://api.example.com/v1", "LUMENFALL_API_KEY": pasted.format("sk-abc")}
    assert resolve_server(environ, tmp_path).api_key == "sk-abc"
    del environ["LUMENFALL_API_KEY"], environ["LUMENFALL_BASE_URL"]
    (tmp_path / "settings.json").write_text(json.dumps({"api_key": pasted.format("sk-abc")}), encoding="utf-8")
    assert resolve_server(environ, tmp_path).api_key == "sk-abc"
