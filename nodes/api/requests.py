"""What is asked of the server, and how it is written on the wire: in what each server has of OpenAI's image API.

Sources: docs.lumenfall.ai/api-reference and its model pages; the types of openai-python 3.57.0 (November 2026).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypedDict
from urllib.parse import urlsplit

from ..errors import InputError
from .addresses import is_loopback
from .uploads import Upload, recompress, scale_down, scale_mask

Endpoint = Literal["generations", "edits", "variations"]

# /images/variations knows nothing else (openai-python 3.57.0, types/image_create_variation_params.py).
_VARIATION_FIELDS = frozenset({"n", "size", "response_format", "user"})
# Not in image_generate_params.py of the same.
_EDIT_FIELDS = frozenset({"input_fidelity"})


_COUNTS = ("n", "num_images", "num_outputs", "number_of_images", "max_images", "batch_size", "sampleCount")
"""Parameters by which the makers of models let one say how many pictures are wanted."""


def pictures_asked(parameters: Mapping[str, Any]) -> int:
    """How many pictures a request with these parameters asks for: the most that any of them says, or of those inside
    ``parameters``, where Google's models look for theirs.
    """
    inner = parameters.get("parameters")
    groups = [parameters, inner] if isinstance(inner, Mapping) else [parameters]
    return max([1, *(_count(group[name]) for group in groups for name in _COUNTS if name in group)])


def _count(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return 1


class Question(TypedDict, total=False):
    """What a user asked for, as it was typed. ``pictures`` and ``mask`` are digests of the pixels that were given,
    ``node`` what the node has beside the parameters of the request.
    """

    operation: str
    prompt: str | None
    parameters: Mapping[str, Any]
    pictures: Sequence[str]
    mask: str | None
    node: Mapping[str, Any]


Otherwise = tuple[Endpoint, str | None, str]


@dataclass(frozen=True)
class ImageRequest:
    """One paid call. Pictures and mask are PNG bytes; a mask belongs to the first picture."""

    endpoint: Endpoint
    model: str
    prompt: str | None = None
    images: tuple[bytes, ...] = field(default=(), repr=False)
    mask: bytes | None = field(default=None, repr=False)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Only what the user changed: n, size, quality and so on, by their names on the wire."""
    seed: int = 0
    """Sent only where the model lists it; otherwise it only numbers the take."""
    may_shrink: bool = False
    """Whether a picture that is too large for the server may be scaled down, and the mask with it."""
    question: Question = field(default_factory=Question)
    """What the user asked, where that is not the request itself: it may depend on what is known of the model, or on
    this version's way of putting it.
    """
    otherwise: Otherwise | None = None
    """The endpoint, prompt and digest of the picture of a request that would be made instead, were something else known
    of the model.
    """


@dataclass(frozen=True)
class WireRequest:
    """A request as httpx takes it, and what was left out on the way."""

    path: str
    content: dict[str, Any] = field(repr=False)
    """Keyword arguments of ``httpx.AsyncClient.build_request``: ``json``, or ``data`` and ``files``."""
    notes: tuple[str, ...] = ()


def write_request(
    request: ImageRequest,
    flavour: Flavour,
    *,
    takes_seed: bool = False,
    accepts: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> WireRequest:
    """``request`` in the form that ``flavour`` understands.

    Generations are JSON, edits and variations multipart: ``image`` for one picture, ``image[]`` repeated for
    several, ``mask``. Fields that the server does not know are left out and named in ``notes``; so are those whose
    value is none of the few that the model ``accepts``. Raises InputError for what the server would refuse or misread
    for certain.
    """
    parameters, notes = _parameters(request, flavour, takes_seed, accepts)
    body = {"model": request.model}
    if request.prompt:
        body["prompt"] = request.prompt
    body.update(parameters)
    path = f"images/{request.endpoint}"
    if request.endpoint == "generations":
        return WireRequest(path, {"json": body}, notes)
    files, changes = _files(request, flavour)
    return WireRequest(path, {"data": form_fields(body), "files": files}, (*notes, *changes))


def _parameters(
    request: ImageRequest, flavour: Flavour, takes_seed: bool, accepts: Mapping[str, Sequence[str]]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    parameters = dict(request.parameters)
    size = parameters.get("size")
    if size and ":" in size and not flavour.ratio_sizes:
        raise InputError(
            f"{flavour.name} takes a size in pixels, not the ratio {size}.", hint="Write it as 1536x1024, or auto."
        )
    if flavour.response_format:
        parameters.setdefault("response_format", flavour.response_format)
    if takes_seed and request.endpoint != "variations" and "seed" not in flavour.withheld:
        parameters.setdefault("seed", request.seed)
    reasons = {name: _reason(name, value, request, flavour, accepts) for name, value in parameters.items()}
    notes = tuple(f"{name} was not sent: {reason}." for name, reason in sorted(reasons.items()) if reason)
    return {name: value for name, value in parameters.items() if not reasons[name]}, notes


def _reason(
    name: str, value: Any, request: ImageRequest, flavour: Flavour, accepts: Mapping[str, Sequence[str]]
) -> str | None:
    """Why a parameter is held back; None where it is sent."""
    if request.endpoint == "variations":
        return None if name in _VARIATION_FIELDS else "/images/variations has no such field"
    if name in flavour.withheld:
        return flavour.withheld[name]
    if request.endpoint == "generations" and name in _EDIT_FIELDS:
        return "it is for the pictures of an edit"
    if name in accepts and str(value) not in accepts[name]:
        few = ", ".join(accepts[name])
        return (
            f"{request.model} takes only {few}, not {value}"
            if few
            else f"as far as is known, {request.model} takes none"
        )
    return None


def form_fields(body: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a form."""
    return {name: _text(value) for name, value in body.items()}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return repr(value)
    return json.dumps(value)


File = tuple[str, tuple[str, bytes, str]]


def _files(request: ImageRequest, flavour: Flavour) -> tuple[list[File], list[str]]:
    """The parts of the form that are files, and what was done to make them small enough."""
    name = "image" if len(request.images) == 1 else "image[]"
    files, notes = [], []
    mask = request.mask
    for number, image in enumerate(request.images, start=1):
        upload = Upload(image)
        if len(image) > flavour.max_image_bytes:
            upload = _fit(request, flavour, number)
            notes.append(f"Picture {number} {upload.note} to stay within {flavour.max_image_bytes / 1e6:.0f} MB.")
            if number == 1 and mask is not None and upload.size:
                mask = scale_mask(mask, upload.size)
        files.append((name, (f"image-{number}.{upload.extension}", upload.content, upload.media_type)))
    if mask is not None:
        if len(mask) > flavour.max_mask_bytes:
            tight = recompress(mask, flavour.max_mask_bytes, webp=False)
            mask = tight.content if tight else mask
        if len(mask) > flavour.max_mask_bytes:
            raise InputError(
                f"The mask is {len(mask) / 1e6:.1f} MB as PNG; at most "
                f"{flavour.max_mask_bytes / 1e6:.0f} MB are taken.",
                hint="Smooth the mask, or scale picture and mask down.",
            )
        files.append(("mask", ("mask.png", mask, "image/png")))
    return files, notes


def _fit(request: ImageRequest, flavour: Flavour, number: int) -> Upload:
    """A picture that is too large, small enough: without loss, else scaled down where that is allowed."""
    image, limit = request.images[number - 1], flavour.max_image_bytes
    # /images/variations takes PNG only.
    fitted = recompress(image, limit, webp=request.endpoint == "edits")
    if fitted is None and request.may_shrink:
        fitted = scale_down(image, limit)
    if fitted is None:
        raise InputError(
            f"Picture {number} is {len(image) / 1e6:.0f} MB as PNG; {flavour.name} takes at most {limit / 1e6:.0f} MB.",
            hint="Scale it down first, for example with an ImageScale node, or set too_large to scale down in Request "
            "Options.",
        )
    return fitted


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
)

OTHER = Flavour(name="OpenAI-compatible", withheld={}, response_format=None, ratio_sizes=True, native=False)


_OPENAI_HOSTS = (
    ".api.openai.com",
    ".openai.azure.com",
    ".services.ai.azure.com",
    ".cognitiveservices.azure.com",
)
"""OpenAI's regions, and the same API at Azure."""


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
    return OTHER
