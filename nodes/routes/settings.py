"""The settings dialog: what it shows, what it writes, and whether that works. The key goes in and never comes out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, create_model

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
from ..settings import Amount, Settings, change_settings, set_by_environment
from .own_loop import aside

T = TypeVar("T", bound=BaseModel)

Key = SecretStr
Slug = Annotated[str, Field(pattern=r"^[!-~]{1,200}$")]
Currency = Annotated[str, Field(pattern=r"^[A-Za-z]{1,16}$")]


HIDDEN = {"database", "picture_field", "check_base_url"}
"""Settings that the dialog neither shows nor changes: the URL of a database may hold a password, and what nearly nobody
needs stands in the file.
"""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Trial(_Body):
    """A server and a key to try; what is left out is taken from the settings."""

    key: Key | None = Field(default=None, max_length=1000)
    base_url: str | None = Field(default=None, max_length=2000)


def _changes(settings: BaseModel, base: type[T], **others: Any) -> type[T]:
    """``base``, and each setting that is shown, to be left out or None too; ``others`` replace those of their names."""
    fields: dict[str, Any] = {}
    for name, field in type(settings).model_fields.items():
        if isinstance(field.default, BaseModel):
            inner = _changes(field.default, _Body)
            fields[name] = (inner, inner())
        elif name not in HIDDEN:
            kind: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
            fields[name] = (kind | None, None)
    model: type[T] = create_model(f"{type(settings).__name__}Change", __base__=base, **{**fields, **others})
    return model


Change = _changes(Settings(), Trial, prices=(dict[Slug, Amount | None], {}), rates=(dict[Currency, Amount | None], {}))
"""What is to be changed: a key, a base URL, and settings. What is not sent stays, None goes back to the default."""


async def show(host: Host) -> dict[str, Any]:
    """The settings in effect, the key by its ends only. Raises LumenfallError for settings that cannot be used."""
    return await asyncio.to_thread(_show, host)


def _show(host: Host) -> dict[str, Any]:
    session = Session(host)
    base_url = session.base_url
    key = known_key(session.environ, session.data_dir)
    return {
        "key": {
            "set": key is not None,
            "masked": key and key.masked,
            "source": key and key.source,
            "host": urlsplit(base_url).netloc,
        },
        "base_url": {"value": base_url, "source": base_url_source(session.environ, session.data_dir)},
        **session.settings.model_dump(exclude=HIDDEN),
        "store_used": session.journal.files.total(),
        "locked": locked(host),
    }


def locked(host: Host) -> dict[str, str]:
    """Setting -> the environment variable that decides it."""
    environ = host.environ()
    return {**decided_by_environment(environ), **set_by_environment(environ)}


async def change(host: Host, asked: Trial) -> dict[str, Any]:
    """Write what is asked, and show the settings that result. Raises LumenfallError, and then nothing is changed."""
    await asyncio.to_thread(_change, host, asked)
    return await show(host)


def _change(host: Host, asked: Trial) -> None:
    session = Session(host)
    decided = locked(host)
    changes = asked.model_dump(exclude_unset=True)
    for name in sorted(_names(changes) & decided.keys()):
        raise InputError(f"{name} is set by the environment variable {decided[name]}.", code="LOCKED")

    def write(content: dict[str, Any]) -> None:
        server = _server_changes(asked)
        if server.get("api_key") and "base_url" in decided:
            # The key is for the server in effect, and must go nowhere else when the variable is gone.
            server["base_url"] = session.base_url
        write_server(content, **server)
        for name, value in changes.items():
            if isinstance(value, Mapping):
                _put_each(content, name, value)
            elif name not in Trial.model_fields:
                _put(content, name, value)

    change_settings(session.data_dir, write)


def _names(changes: Mapping[str, Any]) -> set[str]:
    """The settings that are to be changed, as :func:`locked` names them."""
    return {
        f"{name}.{inner}" if inner else name
        for name, value in changes.items()
        for inner in (value if isinstance(value, Mapping) else [""])
    }


def _server_changes(asked: Trial) -> dict[str, str | None]:
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
