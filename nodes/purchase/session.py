"""Opening the journal that belongs to a host, without torch."""

from __future__ import annotations

from dataclasses import replace

from ..api import Catalogue, Client, Mode, ModelList, bundled, configured_base_url, resolve_server
from ..errors import AuthenticationFailed, LumenfallError
from ..host import Host, current, dependencies
from ..settings import Settings, read_settings
from ..spend import Journal


def open_journal(host: Host) -> tuple[Journal, Settings]:
    """The journal and the settings of a host. Whoever pays comes by here first.

    Raises OldDependency, and InputError for settings that cannot be used.
    """
    dependencies.require()
    data_dir = host.data_dir()
    settings = read_settings(host.environ(), data_dir)
    return Journal(data_dir, settings.database), settings


def model_names(*modes: Mode) -> list[str]:
    """Slugs for a node's menu, without touching the network. Never empty, and never raises for bad settings: a node
    whose menu fails would vanish from ComfyUI; the settings are complained of when it runs.
    """
    try:
        known = _catalogue().known()
    except (LumenfallError, ValueError):
        known = bundled()
    return known.names(*modes) or known.names("generate", "edit", "upscale", "variations")


async def list_models() -> ModelList:
    """The server's models if it answers, else those known, with the reason in ``failure``.

    Raises CredentialError without a key and AuthenticationFailed with a wrong one.
    """
    host = current()
    server = resolve_server(host.environ(), host.data_dir())
    async with Client(server) as client:
        try:
            return await _catalogue().fresh(client)
        except AuthenticationFailed:
            raise
        except LumenfallError as error:
            return replace(_catalogue().known(), failure=error.message)


def _catalogue() -> Catalogue:
    host = current()
    data_dir = host.data_dir()
    return Catalogue(data_dir, configured_base_url(host.environ(), data_dir))
