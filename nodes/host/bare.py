"""A plain Python process: nobody watches progress, nobody presses Stop."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from . import Interrupted, Place, Prepare


class Bare:
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

    def place(self) -> Place:
        return Place()

    def before_each_run(self, prepare: Prepare) -> None:
        return None

    def progress(self, text: str) -> None:
        return None

    def failure(self, error: Mapping[str, Any], link: str | None) -> None:
        return None

    def preview(self, picture: Image.Image) -> None:
        return None

    def interrupted(self) -> bool:
        return False

    def interruption(self) -> BaseException:
        return Interrupted()

    def in_main_thread(self, task: Callable[[], None]) -> None:
        return None

    def node_classes(self) -> Mapping[str, type[Any]]:
        return {}

    def free_nodes(self) -> Mapping[str, type[Any]]:
        return {}
