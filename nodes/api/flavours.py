"""What differs between servers that speak OpenAI's image API.

Sources: docs.lumenfall.ai/api-reference and its model pages; the types of openai-python 3.57.0 (November 2026); the
documentation of OpenRouter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import urlsplit

from .addresses import is_loopback


@dataclass(frozen=True)
class Flavour:
    """How one family of servers departs from the common ground."""

    name: str
    withheld: Mapping[str, str]
    """Request fields that are not sent there, and why. All others are judged by the server: what it takes grows with
    each of its models, so that a list of that would age."""
    response_format: str | None
    """Sent when the user leaves it on auto; None to send nothing."""
    ratio_sizes: bool
    """Whether ``size`` may be a ratio such as 16:9."""
    native: bool
    """Whether dry run, balance, request log and model schemas exist."""
    has_references: bool = False
    """Whether pictures are made and edited at the same address, by JSON that holds those to go by; without masks."""
    has_markup: bool = True
    """Whether strokes over the first picture go out as a file of their own, to models that take them."""
    has_formats: bool = False
    """Whether GIF and SVG have the conditions that OpenAI names (:mod:`.formats`)."""
    models_query: Mapping[str, str] = field(default_factory=dict)
    """What is asked of the list of models, so that those for pictures are in it."""
    max_image_bytes: int = 50 * 10**6
    """Per picture; OpenAI's limit, and above what Lumenfall advises."""
    max_mask_bytes: int = 4 * 10**6


LUMENFALLS_OWN = frozenset(
    {
        # Lumenfall's unified parameters, and those that its model pages list for the models of other makers.
        "aspect_ratio",
        "resolution",
        "scale_factor",
        "seed",
        "negative_prompt",
        "cfg_scale",
        "guidance_scale",
        "sync_mode",
        "disable_safety_checker",
        "enable_safety_checker",
        "personGeneration",
        "safety_filter_level",
        "compression_quality",
        "face_enhancement",
        "face_enhancement_strength",
        "subject_detection",
        "crop_to_fill",
        "background_color",
        "colors",
    }
)
"""Request fields of Lumenfall's that OpenAI does not have, and refuses."""

LUMENFALL = Flavour(
    name="Lumenfall",
    withheld={},
    # Small answers that can be journaled; the links live for an hour and may be fetched again.
    response_format="url",
    ratio_sizes=True,
    native=True,
    # Nothing says that it hands on another file than image and mask.
    has_markup=False,
)

OPENAI = Flavour(
    name="OpenAI",
    withheld={
        **dict.fromkeys(LUMENFALLS_OWN, "it is a field of Lumenfall's, which OpenAI does not have"),
        # GPT Image refuses it.
        "response_format": "at OpenAI pictures always come inside the answer",
    },
    response_format=None,
    ratio_sizes=False,
    native=False,
    has_formats=True,
)

OPENROUTER = Flavour(
    name="OpenRouter",
    withheld={},
    response_format=None,
    ratio_sizes=True,
    native=False,
    has_references=True,
    has_markup=False,
    models_query={"output_modalities": "image"},
)
"""By its documentation (openrouter.ai/docs/guides/overview/multimodal/image-generation, and its SDK's
ImageGenerationRequest), never tried.
"""

OTHER = Flavour(name="OpenAI-compatible", withheld={}, response_format=None, ratio_sizes=True, native=False)


_OPENAI_HOSTS = (
    ".api.openai.com",
    ".openai.azure.com",
    ".services.ai.azure.com",
    ".cognitiveservices.azure.com",
)
"""OpenAI's regions, and the same API at Azure."""


@lru_cache(32)
def flavour_of(base_url: str) -> Flavour:
    """The flavour that a base URL stands for.

    A server on this machine under Lumenfall's own path is taken for the sandbox, or a tunnel to Lumenfall.
    """
    parts = urlsplit(base_url)
    host = (parts.hostname or "").rstrip(".")
    if host == "lumenfall.ai" or host.endswith(".lumenfall.ai"):
        return LUMENFALL
    if is_loopback(base_url) and parts.path.rstrip("/") == "/openai/v1":
        return LUMENFALL
    if host == "api.openai.com" or host.endswith(_OPENAI_HOSTS):
        return OPENAI
    if host == "openrouter.ai" or host.endswith(".openrouter.ai"):
        return OPENROUTER
    return OTHER
