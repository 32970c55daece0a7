"""What is asked of the server, and how it is written on the wire."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, TypedDict

from ..errors import InputError
from .flavours import Flavour
from .formats import bracketed, check_format, misplaced
from .uploads import Upload, draw_over, recompress, scale_down, scale_mask, scale_strokes

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
    """What a user asked for, as it was typed. ``pictures``, ``mask`` and ``markup`` are digests of the pixels that
    were given, ``node`` what the node has beside the parameters of the request.
    """

    operation: str
    prompt: str | None
    parameters: Mapping[str, Any]
    pictures: Sequence[str]
    mask: str | None
    markup: str | None
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
    markup: bytes | None = field(default=None, repr=False)
    """Strokes over the first picture, as a PNG of its size with alpha."""
    draws_markup: bool = False
    """Whether they may be drawn into the first picture where the model takes none."""


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
    makes_vectors: bool = False,
    takes_markup: bool = False,
) -> WireRequest:
    """``request`` in the form that ``flavour`` understands.

    Generations are JSON, edits and variations multipart: ``image`` for one picture, ``image[]`` repeated for
    several, ``mask``; where there are references, both are JSON. Fields that the server does not know are left out and
    named in ``notes``; so are those whose value is none of the few that the model ``accepts``. Where it
    ``makes_vectors``, PNG is asked for, or nothing where the user wants SVG. Raises InputError for what would
    be refused or misread for certain.
    """
    request, further = _marked(request, flavour, takes_markup)
    parameters, notes = _parameters(request, flavour, takes_seed, accepts)
    notes = (*notes, *further)
    # An SVG is no tensor, and Lumenfall converts what its models make; but its list of formats has no SVG.
    if makes_vectors and flavour.native and parameters.setdefault("output_format", "png") == "svg":
        del parameters["output_format"]
    body = {"model": request.model}
    if request.prompt:
        body["prompt"] = request.prompt
    body.update(parameters)
    path = f"images/{request.endpoint}"
    if flavour.has_references:
        return _with_references(request, body, flavour, notes)
    if request.endpoint == "generations":
        return WireRequest(path, {"json": body}, notes)
    files, changes = _files(request, flavour)
    if "svg" in body:
        body.update(bracketed("svg", body.pop("svg")))
    return WireRequest(path, {"data": form_fields(body), "files": files}, (*notes, *changes))


def _marked(request: ImageRequest, flavour: Flavour, takes_markup: bool) -> tuple[ImageRequest, list[str]]:
    """``request`` with its markup as it will be sent, and what is to be said about that."""
    if request.markup is None:
        return request, []
    if takes_markup and flavour.has_markup:
        if request.mask is None:
            return request, []
        # OpenAI takes one of the two (openai-python 3.57.0, types/image_edit_params.py).
        return replace(request, mask=None), ["The mask was not sent, since it does not go together with markup."]
    if not request.draws_markup:
        raise InputError(
            f"As far as is known, {request.model} at {flavour.name} takes no markup.",
            code="NO_MARKUP",
            hint="Switch draw_markup on to have the strokes drawn into the first picture, or choose another model.",
        )
    first, *others = request.images
    images = (draw_over(first, request.markup), *others)
    return replace(request, images=images, markup=None), ["The markup was drawn into the first picture."]


def _with_references(
    request: ImageRequest, body: dict[str, Any], flavour: Flavour, notes: tuple[str, ...]
) -> WireRequest:
    if request.endpoint == "variations":
        raise InputError(f"{flavour.name} has no /images/variations.", hint="Choose a model that edits, or edit.")
    files, changes = _files(replace(request, mask=None), flavour)
    if files:
        addresses = [f"data:{kind};base64,{base64.b64encode(content).decode()}" for _, (_, content, kind) in files]
        body["input_references"] = [{"type": "image_url", "image_url": {"url": address}} for address in addresses]
    if request.mask is not None:
        changes.append(f"The mask was not sent: {flavour.name} takes none, and may change the whole picture.")
    return WireRequest("images", {"json": body}, (*notes, *changes))


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
    if flavour.has_formats:
        check_format(parameters, has_mask=request.mask is not None)
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
    if flavour.has_formats and (reason := misplaced(name, request.parameters)):
        return reason
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
    mask, markup = request.mask, request.markup
    for number, image in enumerate(request.images, start=1):
        upload = Upload(image)
        if len(image) > flavour.max_image_bytes:
            upload = _fit(request, flavour, number)
            notes.append(f"Picture {number} {upload.note} to stay within {flavour.max_image_bytes / 1e6:.0f} MB.")
            if number == 1 and mask is not None and upload.size:
                mask = scale_mask(mask, upload.size)
        files.append((name, (f"image-{number}.{upload.extension}", upload.content, upload.media_type)))
        if number == 1 and markup is not None and upload.size:
            markup = scale_strokes(markup, upload.size)
    if markup is not None:
        files.append(("markup", ("markup.png", markup, "image/png")))
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
