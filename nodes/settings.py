"""What the user has set about money, the store and the requests: environment variables first, then the settings file.

Each setting stands once, as a field of :class:`Settings`: the file, the environment and the browser's route follow it.
Nothing here can be set by a workflow. Keys and the base URL are read in :mod:`.api.credentials`.
"""

from __future__ import annotations

import difflib
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from .errors import InputError
from .host.files import write_durably

log = logging.getLogger(__name__)

SETTINGS_FILE = "settings.json"
"""In the pack's private folder. Beside the settings it may hold ``api_key`` and ``base_url``."""

MAX_AMOUNT = 1e6
"""Sums of larger prices would not fit into the journal."""


def _no_flag(value: Any) -> Any:
    """pydantic would take ``true`` for 1."""
    if isinstance(value, bool):
        raise ValueError("it must be an amount, such as 5")
    return value


Amount = Annotated[float, Field(ge=0, le=MAX_AMOUNT, allow_inf_nan=False), BeforeValidator(_no_flag)]
Parallel = Annotated[int, Field(ge=1, le=16)]
OnFailure = Literal["stop", "keep"]
Receipts = Literal["full", "cost", "off"]
PictureField = Literal["auto", "image[]", "image"]


@dataclass(frozen=True)
class Variable:
    """The environment variable that decides a setting, wherever it is set."""

    name: str


class LimitSettings(BaseModel):
    """US dollars; None: no limit."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    run: Annotated[Amount | None, Variable("LUMENFALL_LIMIT_RUN")] = None
    day: Annotated[Amount | None, Variable("LUMENFALL_LIMIT_DAY")] = None
    month: Annotated[Amount | None, Variable("LUMENFALL_LIMIT_MONTH")] = None


class Settings(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    limits: LimitSettings = LimitSettings()
    prices: dict[str, Amount] = {}
    """The user's own figure for a model: US dollars a picture."""
    rates: dict[str, Amount] = {}
    """What one unit of another currency is worth in US dollars, for limits."""
    replay: Annotated[bool, Variable("LUMENFALL_REPLAY")] = True
    """Whether equal requests are answered from the store."""
    store_gb: Annotated[Amount, Variable("LUMENFALL_STORE_GB")] = 10.0
    """How large the store may grow, in 10**9 bytes."""
    parallel: Annotated[Parallel, Variable("LUMENFALL_PARALLEL")] = 8
    """Requests of one process in the air at once. More gains little and runs into providers' limits."""
    on_failure: Annotated[OnFailure, Variable("LUMENFALL_ON_FAILURE")] = "stop"
    """What becomes of a batch of which a request failed, where no Request Options node says it."""
    receipts: Annotated[Receipts, Variable("LUMENFALL_RECEIPTS")] = "full"
    """What saved pictures say of what they cost: all that is known, model and cost only, or nothing."""
    picture_field: Annotated[PictureField, Variable("LUMENFALL_PICTURE_FIELD")] = "auto"
    """By what name several pictures are sent to other servers than Lumenfall's; auto: ``image[]``, and ``image`` where
    the server asks for that."""
    check_base_url: Annotated[bool, Variable("LUMENFALL_CHECK_BASE_URL")] = True
    """Whether nothing is sent to a base URL without a version where a web page comes for the list of models."""
    ask_above: Amount | None = None
    """US dollars: the browser asks before a run that costs more."""
    database: Annotated[str | None, Variable("LUMENFALL_DATABASE")] = Field(
        default=None, repr=False, pattern=r"^postgresql(\+psycopg2?)?://"
    )
    """SQLAlchemy's URL of a PostgreSQL database that several workers share. It may hold a password."""


@cache
def variables() -> dict[str, tuple[str, ...]]:
    """Environment variable -> where its setting is, such as ``("limits", "day")``."""
    return dict(_variables(Settings))


def _variables(model: type[BaseModel], parents: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, field in model.model_fields.items():
        place = (*parents, name)
        yield from ((mark.name, place) for mark in field.metadata if isinstance(mark, Variable))
        if isinstance(field.default, BaseModel):
            yield from _variables(type(field.default), place)


SERVER_SETTINGS = {"api_key", "base_url"}
"""What the settings file holds besides."""

FORMER_NAMES = {"warn_above": "ask_above"}
"""Old name of a setting -> its name. Files that were written before keep working."""

_SPEAKS_OF_LIMITS = re.compile(r"limit|budget|spend|^(per_?)?(run|day|daily|month|monthly|week|weekly|hour|hourly)$")
_PERIODS = {"run", "day", "daily", "month", "monthly", "week", "weekly", "hour", "hourly", "year", "yearly", "today"}
_BOUNDS = {"max", "maximum", "cap", "ceiling", "quota", "most", "upto", "caps", "allowance"}
_MONEY = {"cost", "costs", "usd", "dollar", "dollars", "price", "money", "amount"}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


@lru_cache(maxsize=1024)  # each use of a host reads its settings
def _is_meant_as_limit(name: str) -> bool:
    """Whether somebody evidently wanted to limit what is spent: a limit that limits nothing must not be passed over."""
    words = {word.lower() for word in _WORD.findall(name)}
    bounds = bool(words & _BOUNDS) or any(word.startswith("max") for word in words)
    money = bool(words & _MONEY) or any(word.endswith(tuple(_MONEY)) for word in words)
    misspelt = any(difflib.get_close_matches(word, ("limit", "limits", "budget"), cutoff=0.75) for word in words)
    bounded = (bool(words & _PERIODS) and ("per" in words or bounds or money)) or (bounds and money)
    return bool(_SPEAKS_OF_LIMITS.search(name.lower())) or misspelt or bounded


def read_settings(environ: Mapping[str, str], data_dir: Path) -> Settings:
    """The settings. Raises InputError, which names what is wrong, before anything is sent; also for a name that is no
    setting, and seems to be meant for a limit. Other such names are told in the log, once.
    """
    values = _read_file(data_dir / SETTINGS_FILE)
    _check_names(values, environ)
    for variable, path in variables().items():
        text = environ.get(variable, "").strip()
        if text:
            _put(values, path, text)
    return _validated(values)


def _check_names(values: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    known = Settings.model_fields.keys() | SERVER_SETTINGS
    for name in values.keys() - known:
        if _is_meant_as_limit(name):
            raise _no_limit(f"{name} in {SETTINGS_FILE} is no setting", '{"limits": {"run": 1, "day": 5, "month": 50}}')
        _tell_once(name)
    limits = [variable for variable, place in variables().items() if place[0] == "limits"]
    for variable in environ.keys() - variables().keys():
        if _is_ours(variable) and _is_meant_as_limit(variable.partition("_")[2]) and environ[variable].strip():
            raise _no_limit(f"The environment variable {variable} is no setting", _listed(limits))


@lru_cache(maxsize=1024)
def _is_ours(variable: str) -> bool:
    """Whether an environment variable is meant for this pack, be it misspelt."""
    return bool(difflib.get_close_matches(variable.partition("_")[0].upper(), ("LUMENFALL",), cutoff=0.8))


def _no_limit(what: str, instead: str) -> InputError:
    return InputError(
        f"{what}, so it would limit nothing.", code="SETTINGS", hint=f"Limits are {instead}. Nothing was sent."
    )


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


_told: set[str] = set()


def _tell_once(name: str) -> None:
    if name in _told:
        return
    _told.add(name)
    # Some paste the key into whatever there is, and everybody may read the log.
    shown = name if re.fullmatch(r"\w{1,30}", name) else "A name"
    close = difflib.get_close_matches(name, Settings.model_fields, n=1)
    log.warning("%s in %s is no setting%s", shown, SETTINGS_FILE, f"; is {close[0]} meant?" if close else "")


def _put(values: dict[str, Any], path: tuple[str, ...], text: str) -> None:
    *parents, name = path
    for parent in parents:
        inner = values.get(parent) or {}
        if not isinstance(inner, dict):
            return  # which is found wrong as it is
        values[parent] = values = dict(inner)
    values[name] = text


def _validated(values: Mapping[str, Any]) -> Settings:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise _no_limit(
                f"{place} in {SETTINGS_FILE} is no setting", f"per {_listed([*LimitSettings.model_fields])}"
            ) from None
        named = f"{place} in {SETTINGS_FILE}"
        named += "".join(f" (or {name})" for name, path in variables().items() if ".".join(path) == place)
        raise InputError(
            f"The setting {named} cannot be used: {first['msg']}.", code="SETTINGS", hint="Nothing was sent."
        ) from None


def set_by_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The settings that the environment decides, such as ``limits.day``, each with the variable's name."""
    return {".".join(path): name for name, path in variables().items() if environ.get(name, "").strip()}


def change_settings(data_dir: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Let ``change`` change the content of the settings file, which may hold the key: only its owner may read it.

    Nobody else changes it meanwhile, and it is written whole or not at all. Raises InputError, also where what results
    could not be read again.
    """
    from filelock import FileLock

    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(data_dir / f"{SETTINGS_FILE}.lock", timeout=10):
            content = _read_file(data_dir / SETTINGS_FILE)
            change(content)
            _validated(content)
            write_durably(data_dir / SETTINGS_FILE, f"{json.dumps(content, indent=2)}\n".encode(), mode=0o600)
    except OSError as error:
        raise InputError(
            f"{SETTINGS_FILE} cannot be written in {data_dir.name} ({type(error).__name__}).",
            code="SETTINGS",
            hint="Make the folder writable.",
        ) from None


class _Object(dict[str, Any]):
    """A JSON object, and the names that it has more than once: of these JSON's reader would take the last."""

    def __init__(self, members: list[tuple[str, Any]]) -> None:
        super().__init__(members)
        names = [name for name, _ in members]
        self.repeated = {name for name in names if names.count(name) > 1}


_ONCE = ("limits", "prices", "rates")


def _read_file(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_Object)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise _unreadable(path, reason, hint="Make it readable for the user that runs this.") from None
    except ValueError as error:
        raise _unreadable(path, type(error).__name__) from None
    if not isinstance(found, _Object):
        raise _unreadable(path, "no object")
    # Who wrote a limit twice would have only one of them.
    inside = {name for part in _ONCE if isinstance(found.get(part), _Object) for name in found[part].repeated}
    for name in sorted((found.repeated & {*_ONCE}) | inside):
        raise InputError(
            f"{name} stands twice in {path.name}.", code="SETTINGS", hint="Remove one of the two. Nothing was sent."
        )
    for former, name in FORMER_NAMES.items():
        if former in found:
            found.setdefault(name, found.pop(former))
    return found


def _unreadable(path: Path, reason: str, *, hint: str = "It must be a JSON object, saved as UTF-8.") -> InputError:
    return InputError(
        f"{path.name} in {path.parent.name} cannot be read ({reason}).",
        code="SETTINGS",
        hint=hint,
    )
