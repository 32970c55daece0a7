"""A plain Python process: nobody watches progress, nobody presses Stop."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from .base import Host


class Bare(Host):
    """The host of scripts and of the command line, which adds progress and Stop to it."""

    def environ(self) -> Mapping[str, str]:
        return os.environ

    def data_dir(self) -> Path:
        """``LUMENFALL_DATA_DIR``, else the platform's folder for user data."""
        chosen = self.environ().get("LUMENFALL_DATA_DIR")
        if chosen:
            return Path(chosen)
        from platformdirs import user_data_path

        return user_data_path("lumenfall", appauthor=False)
