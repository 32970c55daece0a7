"""The ends of models: as the server names them, as the bundled list knows them, and how they are told."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from nodes.api import Catalogue, Client, Model, ModelList, Server, bundled, ended, read_models, retirement_note
from tests.api.conftest import odd_server
from tests.api.test_catalogue import REMOTE, fetched

END = date(2026, 12, 1)
LEAVING = Model(id="old", ends=END, successors=("new", "newer"))


def read(*entries: dict[str, Any], today: date | None = None) -> list[Model]:
    return read_models({"data": [{"modality": "image", **entry} for entry in entries]}, today)


@pytest.mark.parametrize(
    "shutdown_date",
    ["2026-12-01", " 2026-12-01 ", "2026-12-01T00:00:00Z", "2026-11-30T20:00:00-05:00", 1796083200, 1796083200.5],
)
def test_the_server_names_the_day_on_which_a_model_ends(shutdown_date: Any) -> None:
    (model,) = read({"id": "old", "shutdown_date": shutdown_date})
    assert model.ends == END


@pytest.mark.parametrize("rubbish", [None, "", "soon", 0, True, -1, 10**30, float("inf"), float("nan"), [], {}, "2026"])
def test_what_is_no_day_is_no_end_and_loses_no_model(rubbish: Any) -> None:
    (model,) = read({"id": "old", "shutdown_date": rubbish})
    assert (model.id, model.ends) == ("old", None)


def test_an_end_is_kept_on_disk(tmp_path: Path) -> None:
    body = b'{"data": [{"id": "old", "modality": "image", "shutdown_date": "2026-12-01"}]}'
    with odd_server(lambda _: (200, {}, body)) as odd:
        asyncio.run(fetched(Catalogue(tmp_path, REMOTE), odd.url))
    known = Catalogue(tmp_path, REMOTE).known()
    assert known.source == "cache" and [model.ends for model in known.models] == [END]


def test_the_servers_word_goes_before_the_bundled_lists() -> None:
    known = next(model for model in bundled().models if model.ends)
    assert known.ends is not None
    day, week = timedelta(days=1), timedelta(days=7)
    (model,) = read({"id": known.id, "shutdown_date": "2030-01-01"})
    assert model.ends == date(2030, 1, 1) and model.successors == known.successors
    (model,) = read({"id": known.id}, today=known.ends - week)
    assert model.ends == known.ends
    (model,) = read({"id": known.id}, today=known.ends + day)
    assert model.ends is None, "it is listed although the day has passed"


def test_what_the_server_does_not_list_is_known_from_the_bundled_list(tmp_path: Path) -> None:
    known = next(model for model in bundled().models if model.ends and model.sizes)
    assert known.ends is not None
    with odd_server(lambda _: (200, {}, b'{"data": [{"id": "other", "modality": "image"}]}')) as odd:
        catalogue = Catalogue(tmp_path, odd.url)
        model, new = asyncio.run(models_of(catalogue, odd.url, known.id, "unheard-of"))
    assert model == known.model_copy(update={"listed": False}) and not new.listed
    assert retirement_note(model, known.ends) == (
        f"{known.id} ends on {known.ends}. Its successor is {' or '.join(known.successors)}. "
        "It is not in the server's list."
    )


async def models_of(catalogue: Catalogue, base_url: str, *slugs: str) -> list[Model]:
    async with Client(Server(base_url)) as client:
        return [await catalogue.model(client, slug) for slug in slugs]


def test_a_listed_snapshot_has_an_end_of_its_own() -> None:
    models = ModelList((Model(id="new", snapshots=("new-2026-04-21",)), Model(id="new-2026-04-21", ends=END)), "server")
    for slug in ("new-2026-04-21", "openai/new-2026-04-21"):
        model = models.find(slug)
        assert model is not None and model.ends == END


def test_a_snapshot_is_known_by_its_model_but_orders_another_picture() -> None:
    models = ModelList((Model(id="new", aliases=("fresh",), snapshots=("new-2026-04-21",), ends=END),), "bundled")
    model = models.find("openai/new-2026-04-21")
    assert model is not None and model.ends == END
    assert model.other_names("new-2026-04-21") == model.other_names("openai/new-2026-04-21") == ()
    assert model.other_names("new") == ("fresh",)


@pytest.mark.parametrize(
    ("days_before", "told"),
    [
        (32, None),
        (31, "old ends on 2026-12-01. Its successor is new or newer."),
        (0, "old ends on 2026-12-01. Its successor is new or newer."),
        (-1, "old ended on 2026-12-01. Its successor is new or newer."),
    ],
)
def test_an_end_is_told_from_a_month_before(days_before: int, told: str | None) -> None:
    assert retirement_note(LEAVING, END - timedelta(days=days_before)) == told


def test_nothing_is_told_of_models_that_stay() -> None:
    assert retirement_note(Model(id="new")) is None
    assert retirement_note(Model(id="old", ends=END), END) == "old ends on 2026-12-01."


def test_the_bundled_lists_agree_with_each_other() -> None:
    offered = {model.id: model for model in bundled().models}
    assert not offered.keys() & {model.id for model in ended().models}
    assert all(model.ends for model in ended().models)
    for model in (*offered.values(), *ended().models):
        assert bool(model.successors) == bool(model.ends)
        assert all(name in offered and not offered[name].ends for name in model.successors)
    names = [
        name for model in (*offered.values(), *ended().models) for name in (model.id, *model.aliases, *model.snapshots)
    ]
    assert len(names) == len(set(names))


def test_the_bundled_list_carries_its_date() -> None:
    assert bundled().compiled is not None and bundled().compiled == ended().compiled
    assert all(model.ends is None or model.ends > bundled().compiled for model in bundled().models)
