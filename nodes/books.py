"""Opening the journal that belongs to a host, without torch."""

from __future__ import annotations

from . import dependencies
from .host import Host
from .settings import Settings, read_settings
from .spend import Journal


def open_journal(surroundings: Host) -> tuple[Journal, Settings]:
    """The journal and the settings of a host. Whoever pays comes by here first.

    Raises OldDependency, and InputError for settings that cannot be used.
    """
    dependencies.require()
    data_dir = surroundings.data_dir()
    settings = read_settings(surroundings.environ(), data_dir)
    return Journal(data_dir, settings.database), settings
