"""What belongs to a host, without torch: its settings, server, model list and journal."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TypeVar
from weakref import WeakKeyDictionary

from ..api import (
    Catalogue,
    Client,
    Mode,
    ModelList,
    Server,
    bundled,
    canonical,
    configured_base_url,
    resolve_server,
)
from ..errors import AuthenticationFailed, LumenfallError
from ..host import Batch, Host, current, dependencies
from ..settings import Settings, read_settings
from ..spend import Journal, Limits

T = TypeVar("T")


class Session:
    """What ``host`` is set to, for one use of it: one call of a node, one answer of a route, one command.

    Each part is read when it is first asked for, and then stays; the next use makes a session of its own, so that what
    the user changes counts at once. Nothing in it is bound to an event loop or a thread.
    """

    def __init__(self, host: Host) -> None:
        self.environ = host.environ()
        self.data_dir = host.data_dir()

    @cached_property
    def settings(self) -> Settings:
        """Raises InputError where they cannot be used."""
        return read_settings(self.environ, self.data_dir)

    @property
    def limits(self) -> Limits:
        """The host's own; those shared with others are the journal's."""
        return limits_of(self.settings)

    @cached_property
    def base_url(self) -> str:
        """Of the server; needs no key. Raises InputError for what is no address."""
        return configured_base_url(self.environ, self.data_dir)

    @cached_property
    def server(self) -> Server:
        """With its key. Raises CredentialError and InputError, see :func:`..api.credentials.resolve_server`."""
        return resolve_server(self.environ, self.data_dir)

    def server_of(self, base_url: str) -> Server:
        """The server of an earlier call, with its key where there is one that fits."""
        try:
            server = self.server
        except LumenfallError:
            return Server(base_url)
        return server if canonical(server.base_url) == canonical(base_url) else Server(base_url)

    def without_key(self, content: T) -> T:
        """``content``, which JSON can hold, without the key: some paste it into a prompt or a title. As it is where
        there is no key.
        """
        return content if self._keyed_server is None else self._keyed_server.without_key(content)

    @cached_property
    def _keyed_server(self) -> Server | None:
        """Looked for once, also where there is none: large graphs have tens of thousands of texts."""
        try:
            return self.server
        except LumenfallError:
            return None

    @cached_property
    def catalogue(self) -> Catalogue:
        """The server's models. Raises InputError as :attr:`base_url` does."""
        return Catalogue(self.data_dir, self.base_url)

    @cached_property
    def journal(self) -> Journal:
        """Who pays comes by here first. Raises OldDependency, and InputError as :attr:`settings` does; StoreError only
        when it is used.
        """
        dependencies.require()
        return Journal(self.data_dir, self.settings.database)


_kept: WeakKeyDictionary[Host, Session] = WeakKeyDictionary()


def session_of(host: Host) -> Session:
    """A session of its own for each use, but for a host that is there for one run: that has one."""
    if not host.is_of_one_run:
        return Session(host)
    session = _kept.get(host)
    if session is None:
        session = _kept[host] = Session(host)
    return session


def limits_of(settings: Settings, batch: Batch | None = None) -> Limits:
    """The limits that ``settings`` set, and that of ``batch``, with the rates by which other currencies count."""
    limits = Limits(**dict(settings.limits), rates=settings.rates)
    if batch is None:
        return limits
    return replace(limits, batch=batch.max_cost, batch_id=batch.id, batch_elsewhere=batch.elsewhere)


def model_names(*modes: Mode) -> list[str]:
    """Slugs for a node's menu, without touching the network. Never empty, and never raises for bad settings: a node
    whose menu fails would vanish from ComfyUI; the settings are complained of when it runs.
    """
    try:
        known = session_of(current()).catalogue.known()
    except (LumenfallError, ValueError):
        known = bundled()
    return known.names(*modes) or known.names("generate", "edit", "upscale", "variations")


async def list_models() -> ModelList:
    """The server's models if it answers, else those known, with the reason in ``failure``.

    Raises CredentialError without a key and AuthenticationFailed with a wrong one.
    """
    session = Session(current())
    async with Client(session.server) as client:
        try:
            return await session.catalogue.fresh(client)
        except AuthenticationFailed:
            raise
        except LumenfallError as error:
            return replace(session.catalogue.known(), failure=error.message)
