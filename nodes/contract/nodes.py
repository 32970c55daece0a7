"""What the nodes share of ComfyUI's V1 class contract."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

from ..api import Mode
from ..errors import LumenfallError, sentences
from ..host import Host, current, show_failure, show_progress
from ..purchase.ask import ask
from ..purchase.origin import HiddenInputs
from ..purchase.outcome import page_of
from ..purchase.plan import Outputs, Plan, Plans, carry_out
from ..purchase.session import session_of
from .inputs import check_links
from .shown import show

HIDDEN = {"graph": "PROMPT", "png_info": "EXTRA_PNGINFO"}
"""The hidden inputs of a node that pays. Not UNIQUE_ID: with it, equal nodes would no longer share ComfyUI's cache."""

REPORT_TOOLTIP = "JSON text: model, provider, request id, cost, seconds, sizes, notes."


class PictureNode:
    """Base of the nodes that bring pictures with a report."""

    CATEGORY = "Lumenfall"
    RETURN_TYPES = ("IMAGE", "MASK", "STRING")
    RETURN_NAMES = ("images", "mask", "report")
    # Keeps the report in the history and on the node when a re-run is answered from ComfyUI's cache.
    HAS_INTERMEDIATE_OUTPUT = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        raise NotImplementedError


class FreeNode:
    """Base of the nodes that an estimate may run: they cost, write and show nothing."""

    IS_CONSTANT = True
    """What it gives is known before a run: the same of the same, at once."""


class PaidNode(PictureNode):
    """Base of the nodes that ask the server for pictures. What each wants is its plan."""

    FUNCTION = "run"
    MODES: tuple[Mode, ...]
    """What a model must do, at least one of them."""

    def plan(self, *args: Any, **inputs: Any) -> Plan | Plans:
        """What the node wants, by its required and optional inputs. Pure and quick. Raises InputError."""
        raise NotImplementedError

    async def run(self, graph: Any = None, png_info: Any = None, **inputs: Any) -> Outputs:
        """What ComfyUI calls: the hidden inputs, and those of :meth:`plan`."""
        hidden = HiddenInputs(graph, png_info)
        with telling():
            plan = self.plan(**inputs)
            outputs = _without_key(await show(await carry_out(plan, lambda part: ask(part, hidden))))
            if isinstance(plan, Plans):
                show_progress(current(), plan.summary(outputs))
            return outputs

    @classmethod
    def VALIDATE_INPUTS(cls, model: str | None, input_types: dict[str, Any]) -> bool | str:
        """Naming ``model`` tells ComfyUI to take any slug; every other input keeps its checks."""
        wrong = check_links(cls, input_types)
        if wrong:
            return wrong
        # None: the model comes over a link and is not known yet.
        return True if model is None or str(model).strip() else "model is empty: pick one from the list"


@contextlib.contextmanager
def telling() -> Iterator[None]:
    """Let the node in this task say why the block ended early: ComfyUI's browser hides the text of an error behind a
    click, and leaves the last line of progress standing.
    """
    try:
        yield
    except LumenfallError as error:
        host = current()
        error = _clear(error, host)
        show_progress(host, sentences(error.message, error.hint))
        show_failure(host, error.as_dict(), _page(host, error.request_id))
        raise error from error.__cause__
    except Exception as error:
        stopped = isinstance(error, type(current().interruption()))
        show_progress(current(), str(error) or "stopped" if stopped else f"{type(error).__name__}: {error}")
        raise
    except asyncio.CancelledError:
        # ComfyUI cancels the tasks of a run when another node fails; a CancelledError that left a node would
        # end its only worker thread.
        show_progress(current(), "stopped")
        raise current().interruption() from None
    except BaseException as error:
        show_progress(current(), str(error) or "stopped")
        raise


def _clear(error: LumenfallError, host: Host) -> LumenfallError:
    """``error`` without the key, should it speak of an input into which somebody pasted it."""
    session = session_of(host)
    message, hint = session.without_key([error.message, error.hint])
    return error if (message, hint) == (error.message, error.hint) else error.replaced(message=message, hint=hint)


def _without_key(outputs: Outputs) -> Outputs:
    """``outputs`` whose texts are without the key: reports are shown, saved and sent around."""
    session = session_of(current())
    result = tuple(session.without_key(each) if isinstance(each, str) else each for each in outputs["result"])
    return {**outputs, "ui": session.without_key(outputs["ui"]), "result": result}


def _page(host: Host, request_id: str | None) -> str | None:
    """Where the user can look a failed request up."""
    try:
        return page_of(session_of(host).base_url, request_id)
    except LumenfallError:
        return None
