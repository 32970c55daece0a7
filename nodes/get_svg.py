"""Get SVG: the vector pictures of a report, as ComfyUI's SVG."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from .contract.nodes import telling
from .errors import InputError
from .host import Host, current, show_progress
from .host.waiting import wait
from .pixels import objection
from .purchase.background import in_thread
from .purchase.originals import Original, originals

EXTENSION = ".svg"


class GetSVG:
    CATEGORY = "Lumenfall"
    DESCRIPTION = (
        "Hands on the SVG files that a vector model made, for Save SVG: each as it came, where the images of a node "
        "are only drawn from it. Nothing is sent or paid."
    )
    SEARCH_ALIASES = ["vector", "svg", "save svg", "recraft", "logo", "icon", "lumenfall"]
    RETURN_TYPES = ("SVG",)
    RETURN_NAMES = ("svg",)
    OUTPUT_TOOLTIPS = ("The vector pictures of the report, in its order, unchanged. Those of pixels are left out.",)
    FUNCTION = "get"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        tooltip = (
            "Wire the report of the node that made the pictures. Or write the name of an SVG file that an error tells."
        )
        return {"required": {"report": ("STRING", {"default": "", "tooltip": tooltip})}}

    async def get(self, report: str) -> tuple[Any]:
        with telling():
            host = current()
            svg = await wait(in_thread(_read, host, report), host, lambda: "reading the files")
            show_progress(host, f"{len(svg.data)} SVG file{'s' * (len(svg.data) != 1)}")
            return (svg,)


def _read(host: Host, report: str) -> Any:
    """The host's SVG. Raises InputError for what is none, and for what is better not handed on."""
    files = originals(host, report, EXTENSION)
    if not files:
        raise InputError(
            "The report names no SVG file." if report.strip() else "There is no report.",
            code="NO_SVG",
            hint="Wire the report of a node that made one: with a model that makes vector pictures, such as "
            "recraft-v4-svg, and output_format svg in Request Options.",
        )
    for file in files:
        _check(file)
    svg_class = host.svg_class()
    if svg_class is None:
        raise InputError("This ComfyUI has no SVG type.", code="NO_SVG_TYPE", hint=f"Update ComfyUI. {_where(*files)}")
    return svg_class([BytesIO(file.content) for file in files])


def _check(file: Original) -> None:
    reason = objection(file.content)
    if reason:
        raise InputError(
            f"The SVG file {reason}, so it is not handed on.",
            code="SVG_NOT_SAFE",
            hint=f"Look at it in a text editor, or make another. {_where(file)}",
        )


def _where(*files: Original) -> str:
    names = ", ".join(file.name for file in files)
    return f"What was paid for is kept in the pack's private folder: {names}."
