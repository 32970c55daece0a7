"""Which models there are and what they take: from the server, from a cache on disk, or from the bundled list.

Nothing depends on a model being listed. The list fills a menu, and tells whether a model takes a seed or has
its own variations endpoint; every other name is passed on and judged by the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import math
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timezone
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import AnswerError, ApiError, Charged, LumenfallError
from ..host.files import write_durably
from .addresses import is_loopback
from .base_urls import BASE_URL, WEB_PAGES
from .client import Client

Mode = Literal["generate", "edit", "upscale", "variations"]

MAX_AGE = 24 * 3600.0
"""Seconds after which a cached list is fetched again."""

RECENT = 1.0
"""Seconds for which a list is not even looked for: of a server on this machine none is kept, and rows are many."""

RETRY_AFTER_FAILURE = 600.0
"""Seconds for which a server that did not give its list is not asked again."""

_BUNDLED = Path(__file__).with_name("catalogue.json")

# Words in `capabilities` and `tags`, as Lumenfall's own browser extension looks for them.
_CAPABILITIES: dict[str, Mode] = {
    "text-to-image": "generate",
    "generation": "generate",
    "image-to-image": "edit",
    "editing": "edit",
    "inpainting": "edit",
    "upscaling": "upscale",
    "variations": "variations",
}


class Model(BaseModel):
    """One image model. ``modes`` is empty and ``parameters`` None where nothing is known."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str = ""
    modes: frozenset[Mode] = frozenset()
    parameters: frozenset[str] | None = None
    max_images: int | None = None
    sizes: tuple[str, ...] = ()
    """Sizes that it serves as they are asked for, such as 1536x1024; empty where they are not known."""
    transparency: bool | None = None
    """Whether it makes transparent backgrounds; None where that is not known."""
    price: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    ends: date | None = None
    """The day on which it is switched off, in UTC, where one is known."""
    successors: tuple[str, ...] = ()
    """What its maker names in its place."""
    accepts: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """The values that it takes of a parameter of which it takes few; none where it is not known to take any."""
    aliases: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()
    """Slugs of its fixed versions. What is known of it holds for them, but they need not order the same."""
    listed: bool = True
    """Whether it stands in the server's own list; so it counts as long as that cannot be had."""

    @property
    def takes_mask(self) -> bool | None:
        """Whether it edits within a mask, as every model that edits does here; None where nothing is known."""
        return ("edit" in self.modes) if self.modes else None

    def fits(self, *modes: Mode) -> bool:
        """Whether the model does one of ``modes``, or might."""
        return not self.modes or not self.modes.isdisjoint(modes)

    def takes(self, parameter: str) -> bool:
        """Whether the model is known to list ``parameter``."""
        return bool(self.parameters and parameter in self.parameters)

    def other_names(self, slug: str) -> tuple[str, ...]:
        """Further slugs that order the same as ``slug``, at the same provider where it names one."""
        names = dict.fromkeys([self.id, *self.aliases])
        provider, slash, name = slug.partition("/")
        if slug not in names and slash and name in names:
            names = dict.fromkeys(f"{provider}/{other}" for other in names)
        return tuple(other for other in names if other != slug) if slug in names else ()


@dataclass(frozen=True)
class ModelList:
    """Image models, and where the list comes from."""

    models: tuple[Model, ...]
    source: Literal["server", "cache", "bundled"]
    fetched_at: float | None = None
    failure: str | None = None
    """Why the server's own list could not be had, where it was asked for."""
    compiled: date | None = None
    """When the bundled list was compiled; None for the server's."""

    @property
    def age_seconds(self) -> float | None:
        """Seconds since the server gave this list; None for the bundled one."""
        return None if self.fetched_at is None else max(0.0, time.time() - self.fetched_at)

    def find(self, slug: str) -> Model | None:
        """The entry for a slug, an alias, or ``provider/slug``."""
        names = filter(None, (slug, slug.partition("/")[2]))
        return next((self._by_name[name] for name in names if name in self._by_name), None)

    @cached_property
    def _by_name(self) -> dict[str, Model]:
        """The first that has the name. A snapshot that is listed by itself has an end of its own."""
        found = {name: model for model in reversed(self.models) for name in (*model.aliases, *model.snapshots)}
        return found | {model.id: model for model in reversed(self.models)}

    def names(self, *modes: Mode) -> list[str]:
        """Slugs of the models that fit one of ``modes``: the bundled ones in their order first, then by name."""
        order = {model.id: place for place, model in enumerate(bundled().models)}
        fitting = [model.id for model in self.models if model.fits(*modes)]
        return sorted(fitting, key=lambda slug: (order.get(slug, len(order)), slug))


class _Bundled(BaseModel):
    compiled: date
    models: tuple[Model, ...]
    ended: tuple[Model, ...]
    unlisted: Mapping[str, Mapping[str, tuple[str, ...]]]
    """What the models of a maker accept that are not in the lists, by the beginning of their slugs."""


@lru_cache(maxsize=1)
def _bundled() -> _Bundled:
    return _Bundled.model_validate_json(_BUNDLED.read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def bundled() -> ModelList:
    """The list that ships with the pack, for menus without a network."""
    return ModelList(_bundled().models, "bundled", compiled=_bundled().compiled)


@lru_cache(maxsize=1)
def ended() -> ModelList:
    """Models that nobody should begin with, because they have ended or are about to. They are in no menu; whoever
    names one, as shared workflows do, is told.
    """
    return ModelList(_bundled().ended, "bundled", compiled=_bundled().compiled)


def _unlisted(slug: str) -> Model:
    name = slug.rpartition("/")[2].lower()
    accepts = [values for prefix, values in _bundled().unlisted.items() if name.startswith(prefix)]
    return Model(id=slug, accepts=accepts[0] if accepts else {})


@dataclass
class Catalogue:
    """The models of one server, cached under ``folder`` for MAX_AGE."""

    folder: Path
    base_url: str
    latest: ModelList | None = field(default=None, init=False)
    """The list by which :meth:`model` went last."""

    def known(self) -> ModelList:
        """What is known without the network, at once: the cached list whatever its age, else the bundled one."""
        path = self._path
        try:
            return _read_cache(path, path.stat().st_mtime_ns)
        except (OSError, ValueError):
            return bundled()

    async def fresh(self, client: Client, max_age: float = MAX_AGE) -> ModelList:
        """The server's list, fetched unless it is younger than ``max_age`` seconds. Raises LumenfallError where it
        cannot be had.
        """
        cached = self.known()
        if cached.age_seconds is not None and cached.age_seconds < max_age:
            return cached
        body = await client.get("models", **client.server.flavour.models_query)
        # Long lists take a while, and this machine has other things to wait for.
        return await asyncio.to_thread(self._take_in, body, cached)

    def _take_in(self, body: Any, cached: ModelList) -> ModelList:
        models = [_with_learnt(model, cached) for model in _read_once(body)]
        if not models:
            raise AnswerError("The server lists no image models.", charged=Charged.NO)
        found = ModelList(tuple(models), "server", time.time())
        self._keep(found)
        return found

    async def model(self, client: Client, slug: str) -> Model:
        """What is known of ``slug``, asking the server where that is free and quick. Never raises for a failure."""
        models = self.latest = await self._fresh_or_known(client)
        model = models.find(slug)
        if model is None:
            model = bundled().find(slug) or ended().find(slug) or _unlisted(slug)
            model = model.model_copy(update={"listed": models.source == "bundled"})
        if model.parameters is not None or not client.server.flavour.native or self._is_failing():
            return model
        try:
            schema = await client.get(f"models/{quote(slug, safe='/')}", schema="true")
        except ApiError:
            return model
        except LumenfallError:
            self._note_failure()
            return model
        model = model.model_copy(update={"parameters": read_parameters(schema)})
        if models.source != "bundled" and models.find(slug):
            kept = tuple(model if entry.id == model.id else entry for entry in models.models)
            self._keep(replace(models, models=kept))
        return model

    async def _fresh_or_known(self, client: Client) -> ModelList:
        if self._is_failing():
            return self.known()
        fetched, recent = _recent.get(self.base_url, (-math.inf, None))
        if recent is not None and time.monotonic() < fetched + RECENT:
            return recent
        try:
            fresh = await self.fresh(client)
            WEB_PAGES.discard(self.base_url)
            return fresh
        except LumenfallError as error:
            if error.code == BASE_URL and self.known().source == "bundled":
                # It is asked again each time: the user is about to mend it.
                WEB_PAGES.add(self.base_url)
            else:
                self._note_failure()
            return self.known()

    def _is_failing(self) -> bool:
        return time.monotonic() < _failures.get(self.base_url, 0.0)

    def _note_failure(self) -> None:
        _failures[self.base_url] = time.monotonic() + RETRY_AFTER_FAILURE

    @property
    def _path(self) -> Path:
        return self.folder / f"models-{hashlib.sha256(self.base_url.encode()).hexdigest()[:12]}.json"

    def _keep(self, models: ModelList) -> None:
        _recent[self.base_url] = time.monotonic(), models
        if is_loopback(self.base_url):
            return
        # A cache that cannot be written is no reason to fail, nor is a name that is half a character.
        with contextlib.suppress(OSError, ValueError):
            content = _CacheFile(fetched_at=models.fetched_at or 0.0, models=models.models).model_dump_json()
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_durably(self._path, content.encode())


# By time.monotonic, bound to no event loop: until when a server that failed is left alone; the list that was had last.
_failures: dict[str, float] = {}
_recent: dict[str, tuple[float, ModelList]] = {}


class _CacheFile(BaseModel):
    fetched_at: float
    models: tuple[Model, ...]


@lru_cache(maxsize=8)
def _read_cache(path: Path, _modified: int) -> ModelList:
    content = _CacheFile.model_validate_json(path.read_text(encoding="utf-8"))
    return ModelList(content.models, "cache", content.fetched_at)


def read_models(body: Any, today: date | None = None) -> list[Model]:
    """The image models in the answer of ``GET /models``, as of ``today`` in UTC.

    Text and video models are left out where the server tells them apart (``modality``, ``modalities.output``, ``type``,
    ``capabilities``). Where it tells nothing of any model, all are kept. The bundled lists add what they know of a
    model, but for an end that has passed: the server still has it.
    """
    entries = body.get("data") or body.get("models") if isinstance(body, Mapping) else body
    entries = entries if isinstance(entries, list) else []
    found = [entry for entry in entries if isinstance(entry, Mapping) and isinstance(entry.get("id"), str)]
    verdicts = [_is_image(entry) for entry in found]
    keep_unknown = True not in verdicts
    today = today or datetime.now(timezone.utc).date()
    models = []
    for entry, verdict in zip(found, verdicts, strict=True):
        if verdict or (verdict is None and (keep_unknown or bundled().find(entry["id"]))):
            models.append(_model(entry, today))
    return models


# The answer that was read last, the day, and what was read from it.
_latest: tuple[Any, date, list[Model]] = (None, date.min, [])


def _read_once(body: Any) -> list[Model]:
    """As :func:`read_models`. A server on this machine is asked anew by each call, and mostly says the same."""
    global _latest
    latest, today = _latest, datetime.now(timezone.utc).date()
    if latest[:2] != (body, today):
        _latest = latest = (body, today, read_models(body, today))
    return latest[2]


def read_parameters(body: Any) -> frozenset[str]:
    """Parameter names in the answer of ``GET /models/{id}?schema=true``, whose shape is not documented.

    Every object under a ``properties`` key counts, and every ``parameters`` list of names or named objects.
    """
    names: set[str] = set()
    queue = [body]
    while queue:
        part = queue.pop()
        if isinstance(part, list):
            queue.extend(part)
        elif isinstance(part, Mapping):
            names.update(_names(part.get("properties")), _names(part.get("parameters")))
            queue.extend(part.values())
    return frozenset(names)


def _names(part: Any) -> Iterable[str]:
    if isinstance(part, Mapping):
        return (key for key in part if isinstance(key, str))
    if isinstance(part, list):
        found = (entry.get("name") if isinstance(entry, Mapping) else entry for entry in part)
        return (name for name in found if isinstance(name, str))
    return ()


def _with_learnt(model: Model, cached: ModelList) -> Model:
    """``model`` with the parameters that its schema told before: lists do not name them."""
    earlier = cached.find(model.id)
    if model.parameters is not None or earlier is None or earlier.parameters is None:
        return model
    return model.model_copy(update={"parameters": earlier.parameters})


def _is_image(entry: Mapping[str, Any]) -> bool | None:
    if isinstance(entry.get("modality"), str):
        return bool(entry["modality"] == "image")
    for group, name in (("modalities", "output"), ("architecture", "output_modalities")):
        if isinstance(entry.get(group), Mapping) and isinstance(entry[group].get(name), list):
            return "image" in entry[group][name]
    return True if _modes(entry) or entry.get("type") == "image" else None


def _modes(entry: Mapping[str, Any]) -> frozenset[Mode]:
    words = [word for key in ("capabilities", "tags") for word in _names(entry.get(key))]
    return frozenset(_CAPABILITIES[word] for word in words if word in _CAPABILITIES)


def _model(entry: Mapping[str, Any], today: date) -> Model:
    known = bundled().find(entry["id"]) or ended().find(entry["id"]) or _unlisted(entry["id"])
    if known.ends and known.ends < today:
        known = known.model_copy(update={"ends": None})
    told = {
        "id": entry["id"],
        "name": entry.get("name") or known.name,
        "modes": _modes(entry) or known.modes,
        "price": entry.get("starting_price") if entry.get("starting_price") is not None else known.price,
        "ends": _day(entry.get("shutdown_date")) or known.ends,
        "aliases": tuple(_names(entry.get("aliases"))) or known.aliases,
    }
    try:
        return Model.model_validate({**known.model_dump(), **told})
    except ValidationError:
        return known.model_copy(update={"id": entry["id"]})


def _day(moment: Any) -> date | None:
    """The day in UTC that ``shutdown_date`` names; None for what names none.

    OpenAI's is a date such as 2026-12-01 (openai-python 3.57.0, types/model.py); a time, and seconds since 1970, are
    what others may make of it.
    """
    try:
        if isinstance(moment, (int, float)) and moment > 1:
            return datetime.fromtimestamp(moment, timezone.utc).date()
        # The Z was not understood before Python 3.11.
        found = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", moment.strip()))
        return (found.astimezone(timezone.utc) if found.tzinfo else found).date()
    except (ValueError, TypeError, AttributeError, OverflowError, OSError):
        return None
