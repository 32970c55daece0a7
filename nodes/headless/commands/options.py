"""What several commands take on the command line, and their exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DONE, FAILED, WRONG, NEEDS_COMFYUI = 0, 1, 2, 3

EXIT_CODES = """\b
Exit codes:
    0  all done
    1  a node failed; what the others made is saved
    2  the workflow or the command line is wrong; nothing was sent
    3  the graph has nodes that need ComfyUI
  130  interrupted: by Ctrl-C; 143 by SIGTERM, 129 by SIGHUP"""


CORE_NODES = """\b
Beside the nodes of this pack it knows these of ComfyUI:
  LoadImage LoadImageMask SaveImage SaveImageAdvanced SaveSVGNode
  SaveText PreviewImage PreviewAny ImageCompare ImageScale ImageScaleBy
  ImageScaleToTotalPixels GetImageSize EmptyImage ImageBatch
  BatchImagesNode ImageStitch JoinImageWithAlpha SplitImageWithAlpha
  ImageCompositeMasked InvertMask ImageToMask MaskToImage SolidMask
  GrowMask PrimitiveString PrimitiveStringMultiline PrimitiveInt
  PrimitiveFloat PrimitiveBoolean StringConcatenate"""


WorkflowFile = Annotated[
    Path,
    typer.Argument(
        metavar="WORKFLOW",
        help="A workflow as the browser saves it or in API format, a picture that carries one (PNG, WebP, JPEG), or -.",
    ),
]

Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NODE.INPUT=VALUE",
        help="Change an input. NODE is an id, a title or a class; VALUE may be @FILE, the text in it (@@ is an @).",
    ),
]

InputFolder = Annotated[
    Path | None,
    typer.Option("--input", metavar="DIR", help="Where LoadImage looks. Default: input beside or above."),
]

InSandbox = Annotated[bool, typer.Option("--sandbox", help="Use a built-in stand-in for the API: no key, no cost.")]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def input_beside(workflow: Path) -> Path:
    """Where LoadImage looks when nothing is said."""
    candidates = (workflow.parent / "input", workflow.parent.parent / "input")
    return next((folder for folder in candidates if folder.is_dir()), workflow.parent)
