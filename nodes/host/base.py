"""What a node needs of the program that it runs in, and the least that gives it: a plain Python process."""

from __future__ import annotations

import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

log = logging.getLogger(__name__)


class Interrupted(Exception):
    """The user pressed Stop. Inside ComfyUI its own exception is raised instead."""


Prepare = Callable[[Mapping[str, Any], dict[str, Any]], None]
"""Receives a graph in API format and the texts for the PNGs that it will save, which it may add to."""


@dataclass(frozen=True)
class Batch:
    """Runs that are one to their user: the rows of one command. The ids of them all begin with ``id``, hex digits.
    ``start`` is the id of this start of the command, which may go on with what an earlier one began. ``max_cost`` is
    what they may cost together, US dollars, whenever they were started; None: no such limit. ``elsewhere`` is what they
    are known to have cost of which this journal does not know, as where they were begun on another machine.
    """

    id: str
    start: str
    max_cost: float | None = None
    elsewhere: float = 0.0


@dataclass(frozen=True)
class Place:
    """Where a node runs: the id of the run, the node's in its graph, and the workflow's name; None if unknown.
    ``sends_again``: the user has said, with this run, that what may have been charged before is to be sent again all
    the same. ``batch`` is what the run is part of, if anything.
    """

    run_id: str | None = None
    node_id: str | None = None
    workflow: str | None = None
    sends_again: bool = False
    batch: Batch | None = None


@dataclass
class SVG:
    """Vector pictures on their way from node to node, in the shape of ComfyUI's own class: a file each."""

    data: list[BytesIO]


class Host(ABC):
    """Where the nodes run. As it stands here nobody watches, nobody presses Stop, and there are no other nodes."""

    is_of_one_run = False
    """Whether it is there for one run only: what it is set to need not be read twice."""

    poll_seconds = 0.1
    """How often Stop is looked for; ComfyUI only sets a flag."""

    @abstractmethod
    def environ(self) -> Mapping[str, str]:
        """The environment variables that settings are read from."""

    @abstractmethod
    def data_dir(self) -> Path:
        """The pack's private folder: settings, model list, pictures as they arrived. May not exist yet."""

    def place(self) -> Place:
        """Which node runs in this task."""
        return Place()

    def before_each_run(self, prepare: Prepare) -> None:  # noqa: B027
        """From now on, call ``prepare`` for every graph that is about to run; once, however often it is handed in.
        Only a host that keeps results from one run to the next has to.
        """

    def progress(self, text: str) -> None:  # noqa: B027
        """Show one short line on the node that is running in this task."""

    def failure(self, error: Mapping[str, Any], link: str | None) -> None:  # noqa: B027
        """Show why the node that is running in this task failed: ``error`` in the shape of LumenfallError.as_dict(),
        ``link`` the page where the request can be looked up.
        """

    def preview(self, picture: Image.Image) -> None:  # noqa: B027
        """Show a picture on the node that is running in this task, until it ends."""

    def shown_dir(self) -> Path | None:
        """A folder of passing files that the page of whoever started the run can fetch; None where nobody looks."""
        return None

    def running_ids(self) -> Collection[str]:
        """The ids of the runs that are going on, which Stop reaches."""
        return ()

    def interrupted(self) -> bool:
        """Whether the user asked to stop. Polled; must be cheap."""
        return False

    def interruption(self) -> BaseException:
        """The exception by which this host knows that a node was stopped."""
        return Interrupted()

    def in_main_thread(self, task: Callable[[], None]) -> None:  # noqa: B027
        """Call ``task`` soon in the main thread, where signals are set up. Only a host that leaves them as it found
        them has to.
        """

    def node_classes(self) -> Mapping[str, type[Any]]:
        """Class id -> class of all nodes that the graphs of this host may hold."""
        return {}

    def svg_class(self) -> Callable[[list[BytesIO]], Any] | None:
        """What its nodes take as SVG, made of the files; None where they know no such type."""
        return SVG

    def free_nodes(self) -> Mapping[str, type[Any]]:
        """Class id -> class of the host's own nodes that may be run at any time: they cost, write and show nothing."""
        return {}


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


# Nothing of this raises: what is shown must not cost what is done.


def show_progress(host: Host, text: str) -> None:
    """Show one short line."""
    try:
        host.progress(text)
    except Exception:
        log.debug("Progress could not be shown", exc_info=True)


def show_failure(host: Host, error: Mapping[str, Any], link: str | None) -> None:
    """Show an error, as :meth:`Host.failure` takes it, where the user looks."""
    try:
        host.failure(error, link)
    except Exception:
        log.debug("The error could not be shown", exc_info=True)


def show_preview(host: Host, draw: Callable[[], Image.Image]) -> None:
    """Show the picture that ``draw`` gives."""
    try:
        host.preview(draw())
    except Exception:
        log.debug("The preview could not be shown", exc_info=True)
