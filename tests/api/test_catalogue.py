"""The model list: from the server, from disk, bundled."""

from __future__ import annotations

import asyncio
import json
import runpy
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nodes.api import Catalogue, Client, Model, ModelList, Server
from nodes.api.catalogue import bundled, read_models, read_parameters
from nodes.errors import AnswerError, AuthenticationFailed
from nodes.headless.host import Headless
from nodes.headless.sandbox import Sandbox
from nodes.host import use
from nodes.purchase.session import list_models, model_names
from tests.api.conftest import odd_server

ROOT = Path(__file__).parents[2]


def listed(*entries: dict[str, Any]) -> list[str]:
    return [model.id for model in read_models({"object": "list", "data": list(entries)})]


def test_image_models_are_told_from_text_and_video(sandbox: Sandbox, host: Headless) -> None:
    with use(host):
        found = asyncio.run(list_models())
    names = {model.id for model in found.models}
    assert found.source == "server"
    assert "gpt-image-2" in names and "sandbox-variations" in names
    assert not names & {"sandbox-chat", "sandbox-video"}


@pytest.mark.parametrize(
    "hint",
    [
        {"modality": "image"},
        {"modalities": {"input": ["text"], "output": ["image"]}},
        {"capabilities": ["text-to-image"]},
        {"tags": ["inpainting"]},
        {"capabilities": [{"name": "editing"}]},
        {"architecture": {"output_modalities": ["image", "text"]}},
        {"type": "image"},
    ],
)
def test_every_known_hint_at_an_image_model(hint: dict[str, Any]) -> None:
    assert listed({"id": "a", **hint}, {"id": "chat", "modality": "text"}, {"id": "unknown"}) == ["a"]


def test_a_server_that_tells_nothing_keeps_all_its_models() -> None:
    assert listed({"id": "sdxl"}, {"id": "llama"}) == ["sdxl", "llama"]


@pytest.mark.parametrize("body", [[{"id": "sdxl"}], {"models": [{"id": "sdxl"}]}])
def test_a_list_is_read_wherever_a_server_puts_it(body: Any) -> None:
    assert [model.id for model in read_models(body)] == ["sdxl"]


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "x",
        {},
        {"data": None},
        {"data": 5},
        {"data": True},
        {"data": {"id": "a"}},
        {"data": [None, {"id": 5}, {}, []]},
    ],
)
def test_odd_lists_are_empty_not_fatal(body: Any) -> None:
    assert read_models(body) == []


def test_odd_fields_do_not_lose_a_model() -> None:
    odd = {"id": "a", "modality": "image", "starting_price": "cheap", "capabilities": 5, "aliases": [None, "b"]}
    assert listed(odd) == ["a"]


@pytest.mark.parametrize(
    "body",
    [
        {"schema": {"type": "object", "properties": {"seed": {}, "size": {}}}},
        {"id": "m", "parameters": [{"name": "seed"}, {"name": "size"}]},
        {"input": {"parameters": {"seed": {"type": "integer"}, "size": {}}}},
        {"parameters": ["seed", "size"]},
    ],
)
def test_parameters_are_found_in_any_likely_shape(body: Any) -> None:
    assert read_parameters(body) >= {"seed", "size"}


@pytest.mark.parametrize("body", [None, 5, [], {"properties": [1, None]}, {"parameters": "all"}])
def test_unknown_schemas_are_empty(body: Any) -> None:
    assert read_parameters(body) == frozenset()


def test_a_model_is_found_by_slug_alias_and_provider() -> None:
    models = ModelList((Model(id="flux.2-pro", aliases=("flux-2-pro",)),), "server")
    for slug in ("flux.2-pro", "flux-2-pro", "fal/flux.2-pro", "fal/flux-2-pro"):
        assert models.find(slug) == models.models[0]
    assert models.find("other") is None and models.find("") is None and models.find("/") is None


REMOTE = "https://images.example.org/v1"
BODY = json.dumps({"data": [{"id": "only-one", "modality": "image", "capabilities": ["editing"]}]}).encode()


async def fetched(catalogue: Catalogue, base_url: str) -> ModelList:
    async with Client(Server(base_url)) as client:
        return await catalogue.fresh(client)


def test_the_list_is_kept_on_disk_for_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = Catalogue(tmp_path, REMOTE)
    assert catalogue.known().source == "bundled"
    with odd_server(lambda _: (200, {}, BODY)) as odd:
        assert asyncio.run(fetched(catalogue, odd.url)).source == "server"
        assert asyncio.run(fetched(catalogue, odd.url)).source == "cache"
        assert len(odd.seen) == 1
        later = time.time() + 25 * 3600
        monkeypatch.setattr(time, "time", lambda: later)
        assert catalogue.known().age_seconds == pytest.approx(25 * 3600, abs=60)
        assert asyncio.run(fetched(catalogue, odd.url)).source == "server"
        assert len(odd.seen) == 2


def test_the_menu_comes_from_disk(tmp_path: Path) -> None:
    host = Headless({"LUMENFALL_BASE_URL": REMOTE, "LUMENFALL_DATA_DIR": str(tmp_path)})
    with use(host):
        assert model_names("generate")[0] == bundled().models[0].id
        with odd_server(lambda _: (200, {}, BODY)) as odd:
            asyncio.run(fetched(Catalogue(tmp_path, REMOTE), odd.url))
        assert model_names("edit") == ["only-one"]
        assert model_names("generate") == ["only-one"], "a menu is never empty"


@pytest.mark.parametrize("body", [b'{"data": []}', b"[]", b'{"data": [{"id": "v", "modality": "video"}]}'])
def test_a_server_without_image_models_does_not_empty_the_menus(tmp_path: Path, body: bytes) -> None:
    with odd_server(lambda _: (200, {}, body)) as odd, pytest.raises(AnswerError):
        asyncio.run(fetched(Catalogue(tmp_path, REMOTE), odd.url))
    assert Catalogue(tmp_path, REMOTE).known().names("edit")


def test_a_slug_asks_for_nothing_but_its_model(tmp_path: Path) -> None:
    async def model(base_url: str) -> None:
        async with Client(Server(base_url)) as client:
            await Catalogue(tmp_path, base_url).model(client, "a b?c#d/e")

    with odd_server(lambda path: (200, {}, BODY if path.endswith("/models") else b"{}")) as odd:
        asyncio.run(model(f"{odd.url}/openai/v1"))
        assert odd.seen[-1][1] == "/openai/v1/models/a%20b%3Fc%23d/e?schema=true"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"models": 5, "fetched_at": 1}'])
def test_a_damaged_cache_is_as_good_as_none(tmp_path: Path, content: str) -> None:
    catalogue = Catalogue(tmp_path, REMOTE)
    catalogue._path.write_text(content)
    assert catalogue.known().source == "bundled"


def test_a_server_without_a_list_does_not_hold_up_every_run(tmp_path: Path) -> None:
    async def models(base_url: str) -> None:
        async with Client(Server(base_url)) as client:
            for _ in range(3):
                assert (await Catalogue(tmp_path, base_url).model(client, "anything")).id == "anything"

    with odd_server(lambda _: (404, {}, b"{}")) as odd:
        asyncio.run(models(odd.url))
        assert len(odd.seen) == 1


def test_the_bundled_list_serves_every_node() -> None:
    for mode in ("generate", "edit", "upscale"):
        assert bundled().names(mode)


@pytest.mark.parametrize("content", ['{"base_url": "api.example.org/v1"}', '{"api_key": "x",}'])
def test_bad_settings_do_not_take_the_nodes_out_of_comfyui(tmp_path: Path, content: str) -> None:
    (tmp_path / "settings.json").write_text(content)
    with use(Headless({"LUMENFALL_DATA_DIR": str(tmp_path)})):
        assert model_names("generate") == bundled().names("generate")


def test_a_list_that_is_not_the_servers_own_says_why() -> None:
    with odd_server(lambda _: (500, {}, b"{}")) as odd, use(Headless({"LUMENFALL_BASE_URL": f"{odd.url}/v1"})):
        found = asyncio.run(list_models())
    assert found.source == "bundled" and found.failure and "500" in found.failure


def test_a_wrong_key_is_not_hidden_behind_the_bundled_list() -> None:
    with (
        odd_server(lambda _: (401, {}, b"{}")) as odd,
        use(Headless({"LUMENFALL_BASE_URL": f"{odd.url}/v1"})),
        pytest.raises(AuthenticationFailed),
    ):
        asyncio.run(list_models())


def test_half_a_character_in_a_name_stops_no_run(tmp_path: Path) -> None:
    body = b'{"data": [{"id": "a", "modality": "image", "aliases": ["\\ud800"]}]}'
    with odd_server(lambda _: (200, {}, body)) as odd:
        assert asyncio.run(fetched(Catalogue(tmp_path, REMOTE), odd.url)).models


def test_a_new_list_keeps_what_a_schema_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists do not name parameters; a model's schema is asked for once."""
    body = json.dumps({"data": [{"id": "unheard-of", "modality": "image"}]}).encode()
    schema = json.dumps({"schema": {"properties": {"seed": {}}}}).encode()
    monkeypatch.setattr("nodes.api.catalogue.is_loopback", lambda url: False)
    monkeypatch.setattr("nodes.api.catalogue.RECENT", 0.0)

    async def model(base_url: str) -> Model:
        async with Client(Server(base_url)) as client:
            return await Catalogue(tmp_path, base_url).model(client, "unheard-of")

    with odd_server(lambda path: (200, {}, body if path.endswith("/models") else schema)) as odd:
        base_url = f"{odd.url}/openai/v1"
        assert asyncio.run(model(base_url)).takes("seed")
        later = time.time() + 25 * 3600
        monkeypatch.setattr(time, "time", lambda: later)
        assert asyncio.run(model(base_url)).takes("seed")
        assert [path for _, path, _ in odd.seen] == [
            "/openai/v1/models",
            "/openai/v1/models/unheard-of?schema=true",
            "/openai/v1/models",
        ]


def test_a_server_on_this_machine_is_asked_once_for_many_rows(tmp_path: Path) -> None:
    body = json.dumps({"data": [{"id": "unheard-of", "modality": "image"}]}).encode()
    schema = json.dumps({"schema": {"properties": {"seed": {}}}}).encode()

    async def models(base_url: str) -> None:
        async with Client(Server(base_url)) as client:
            for _ in range(3):
                assert (await Catalogue(tmp_path, base_url).model(client, "unheard-of")).takes("seed")

    with odd_server(lambda path: (200, {}, body if path.endswith("/models") else schema)) as odd:
        asyncio.run(models(f"{odd.url}/openai/v1"))
        assert len(odd.seen) == 2


class Counted(tuple[Model, ...]):
    """How often somebody goes through it."""

    walks = 0

    def __iter__(self) -> Iterator[Model]:
        self.walks += 1
        return super().__iter__()

    def __reversed__(self) -> Iterator[Model]:
        self.walks += 1
        return reversed(tuple(super().__iter__()))


def test_a_long_list_is_not_gone_through_for_each_name() -> None:
    models = Counted(Model(id=f"model-{number}", aliases=(f"alias-{number}",)) for number in range(50))
    known = ModelList(models, "server")
    for number in range(50):
        assert known.find(f"model-{number}") is known.find(f"alias-{number}") is known.find(f"maker/model-{number}")
        assert known.find(f"none-{number}") is None
    assert models.walks < 10


def test_the_bundled_list_is_what_its_tables_say() -> None:
    """After a change of catalogue/models.csv: python catalogue/make.py."""
    made = runpy.run_path(str(ROOT / "catalogue" / "make.py"))["made"]()
    assert made == (ROOT / "nodes" / "api" / "catalogue.json").read_text(encoding="utf-8")
