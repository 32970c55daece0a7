"""The settings dialog: what it shows, what it writes, and whether that works. The key goes in and never comes out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from ..api import (
    Client,
    base_url_source,
    decided_by_environment,
    known_key,
    read_models,
    server_to_try,
    write_server,
)
from ..errors import AuthenticationFailed, InputError, LumenfallError
from ..host import Host
from ..purchase.session import Session
from ..settings import Amount, OnFailure, Parallel, change_settings, set_by_environment
from .own_loop import aside

Key = SecretStr
Slug = Annotated[str, Field(pattern=r"^[!-~]{1,200}$")]


class LimitsChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    run: Amount | None = None
    day: Amount | None = None
    month: Amount | None = None


class Change(BaseModel):
    """What is to be changed; fields that are not sent stay, None takes a setting back to its default."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    key: Key | None = Field(default=None, max_length=1000)
    base_url: str | None = Field(default=None, max_length=2000)
    limits: LimitsChange = LimitsChange()
    replay: bool | None = None
    store_gb: Amount | None = None
    parallel: Parallel | None = None
    on_failure: OnFailure | None = None
    warn_above: Amount | None = None
    prices: dict[Slug, Amount | None] = {}


class Trial(BaseModel):
    """A server and a key to try; what is left out is taken from the settings."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    key: Key | None = Field(default=None, max_length=1000)
    base_url: str | None = Field(default=None, max_length=2000)


async def show(host: Host) -> dict[str, Any]:
    """The settings in effect, the key by its ends only. Raises LumenfallError for settings that cannot be used."""
    return await asyncio.to_thread(_show, host)


def _show(host: Host) -> dict[str, Any]:
    session = Session(host)
    settings, base_url = session.settings, session.base_url
    key = known_key(session.environ, session.data_dir)
    return {
        "key": {
            "set": key is not None,
            "masked": key and key.masked,
            "source": key and key.source,
            "host": urlsplit(base_url).netloc,
        },
        "base_url": {"value": base_url, "source": base_url_source(session.environ, session.data_dir)},
        "limits": settings.limits.model_dump(),
        "replay": settings.replay,
        "store_gb": settings.store_gb,
        "store_used": session.journal.files.total(),
        "parallel": settings.parallel,
        "on_failure": settings.on_failure,
        "warn_above": settings.warn_above,
        "prices": settings.prices,
        "locked": locked(host),
    }


def locked(host: Host) -> dict[str, str]:
    """Setting -> the environment variable that decides it."""
    environ = host.environ()
    return {**decided_by_environment(environ), **set_by_environment(environ)}


async def change(host: Host, asked: Change) -> dict[str, Any]:
    """Write what is asked, and show the settings that result. Raises LumenfallError, and then nothing is changed."""
    await asyncio.to_thread(_change, host, asked)
    return await show(host)


def _change(host: Host, asked: Change) -> None:
    session = Session(host)
    decided = locked(host)
    wanted = {name for name in asked.model_fields_set if name != "limits"}
    wanted |= {f"limits.{name}" for name in asked.limits.model_fields_set}
    for name in sorted(wanted & decided.keys()):
        raise InputError(f"{name} is set by the environment variable {decided[name]}.", code="LOCKED")

    def write(content: dict[str, Any]) -> None:
        changes = _server_changes(asked)
        if changes.get("api_key") and "base_url" in decided:
            # The key is for the server in effect, and must go nowhere else when the variable is gone.
            changes["base_url"] = session.base_url
        write_server(content, **changes)
        for name in ("replay", "store_gb", "parallel", "on_failure", "warn_above"):
            if name in asked.model_fields_set:
                _put(content, name, getattr(asked, name))
        _put_each(content, "limits", asked.limits.model_dump(exclude_unset=True))
        _put_each(content, "prices", asked.prices)

    change_settings(session.data_dir, write)


def _server_changes(asked: Change) -> dict[str, str | None]:
    changes: dict[str, str | None] = {}
    if "base_url" in asked.model_fields_set:
        changes["base_url"] = (asked.base_url or "").strip() or None
    if "key" in asked.model_fields_set:
        changes["api_key"] = _plain(asked.key)
    return changes


def _put(content: dict[str, Any], name: str, value: Any) -> None:
    if value is None:
        content.pop(name, None)
    else:
        content[name] = value


def _put_each(content: dict[str, Any], name: str, changes: Mapping[str, Any]) -> None:
    """The same within the object ``name``, whose other fields stay."""
    if not changes:
        return
    found = content.get(name)
    inner = dict(found) if isinstance(found, dict) else {}
    for field, value in changes.items():
        _put(inner, field, value)
    _put(content, name, inner or None)


def _plain(key: Key | None) -> str | None:
    return (key.get_secret_value().strip() or None) if key else None


async def test(host: Host, asked: Trial) -> dict[str, Any]:
    """Whether the server answers and takes the key: asks for its models and, where it has one, the balance. Free."""
    return await aside(lambda: _test(host, asked))


async def _test(host: Host, asked: Trial) -> dict[str, Any]:
    try:
        base_url = (asked.base_url or "").strip() or None
        session = Session(host)
        server = server_to_try(session.environ, session.data_dir, base_url, _plain(asked.key))
        async with Client(server) as client:
            models = read_models(await client.get("models"))
            return {
                "ok": True,
                "host": urlsplit(server.base_url).netloc,
                "models": len(models),
                "balance": await _balance(client),
            }
    except LumenfallError as error:
        return {"ok": False, "error": {"code": error.code, "message": error.message, "hint": error.hint}}


async def _balance(client: Client) -> dict[str, Any] | None:
    try:
        found = await client.balance()
    except AuthenticationFailed:
        raise  # the list of models may be open to all
    except LumenfallError:
        return None
    return {"amount": found.amount, "currency": found.currency}
