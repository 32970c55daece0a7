"""The example workflows: what people read in ComfyUI's list of templates is the name of the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[1] / "example_workflows"

TEMPLATES = {
    "generate": "Generate a Picture",
    "inpaint": "Inpaint a Masked Part",
    "zoom-inpaint": "Inpaint a Small Part, Zoomed In",
    "variations": "Variations of a Picture",
    "edit": "Edit with Several Pictures",
    "outpaint": "Outpaint to Another Ratio",
    "upscale": "Upscale a Picture",
    "compare": "Compare Models Side by Side",
    "mix-with-local-models": "Local Models and the API in One Graph",
    "app-generate": "Generate a Picture (App)",
    "app-inpaint": "Inpaint a Masked Part (App)",
    "app-product": "Product on Clean Background (App)",
    "app-variations": "Variations of a Picture (App)",
}
"""What each is called here, and there."""


def template(name: str) -> Path:
    """The file in UI format."""
    return EXAMPLES / f"{TEMPLATES[name]}.json"


def twin(name: str) -> Path:
    """The same in API format."""
    return EXAMPLES / "api" / f"{TEMPLATES[name]}.json"


def ui(name: str) -> dict[str, Any]:
    return dict(json.loads(template(name).read_text(encoding="utf-8")))


def api(name: str) -> dict[str, Any]:
    return dict(json.loads(twin(name).read_text(encoding="utf-8")))
