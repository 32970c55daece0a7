"""What the user has set about money and the store: environment variables first, then the settings file.

Nothing here can be set by a workflow. Keys and the base URL are read in :mod:`.api.credentials`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import InputError

SETTINGS_FILE = "settings.json"

_VARIABLES = {
    "LUMENFALL_LIMIT_RUN": ("limits", "run"),
    "LUMENFALL_LIMIT_DAY": ("limits", "day"),
    "LUMENFALL_LIMIT_MONTH": ("limits", "month"),
    "LUMENFALL_REPLAY": ("replay",),
    "LUMENFALL_STORE_GB": ("store_gb",),
    "LUMENFALL_DATABASE": ("database",),
}


Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class LimitSettings(BaseModel):
    """US dollars; None: no limit."""

    run: Amount | None = None
    day: Amount | None = None
    month: Amount | None = None


class Settings(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    limits: LimitSettings = LimitSettings()
    prices: dict[str, Amount] = {}
    """The user's own figure for a model: US dollars a picture."""
    replay: bool = True
    """Whether equal requests are answered from the store."""
    store_gb: Amount = 10.0
    """How large the store may grow, in 10**9 bytes."""
    database: str | None = Field(default=None, repr=False, pattern=r"^postgresql(\+psycopg2?)?://")
    """SQLAlchemy's URL of a PostgreSQL database that several workers share. It may hold a password."""


def read_settings(environ: Mapping[str, str], data_dir: Path) -> Settings:
    """The settings. Raises InputError, which names what is wrong, before anything is sent."""
    values = _read_file(data_dir / SETTINGS_FILE)
    for variable, (*parents, name) in _VARIABLES.items():
        text = environ.get(variable, "").strip()
        if not text:
            continue
        target = values
        for parent in parents:
            target[parent] = target = dict(target.get(parent) or {})
        target[name] = text
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        named = f"{place} in {SETTINGS_FILE}"
        named += "".join(f" (or {name})" for name, path in _VARIABLES.items() if ".".join(path) == place)
        raise InputError(
            f"The setting {named} cannot be used: {first['msg']}.", code="SETTINGS", hint="Nothing was sent."
        ) from None


def _read_file(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path.name} in {path.parent.name} cannot be read ({type(error).__name__}).",
            code="SETTINGS",
            hint="It must be a JSON object, saved as UTF-8.",
        ) from None
    return found if isinstance(found, dict) else {}
