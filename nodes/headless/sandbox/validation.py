"""From what arrived to an order that can be painted, or to the refusal that Lumenfall would send."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from . import files
from .log import Received
from .models import Model, Offer
from .refusal import Refusal, invalid
from .sizes import pixel_size

QUALITIES = ("auto", "low", "medium", "high", "standard", "hd", "xhigh", "max")
COMPLEXITIES = ("low", "medium", "high")
RESPONSE_FORMATS = ("url", "b64_json")
VARIATION_SIZES = ("256x256", "512x512", "1024x1024")
MAX_PROMPT = 32_000  # OpenAI's for GPT Image, the most that anyone documents
MAX_SCALE = 16.0
# Google's upscaler knows two factors only (docs.lumenfall.ai/use-cases/image-upscaling).
FACTORS = {"google-upscaler": (2.0, 4.0)}

_FORBIDDEN = re.compile(r"\bforbidden\b", re.IGNORECASE)
_IMAGE_FIELD = re.compile(r"image(\[\d*\])?")


@dataclass(frozen=True)
class Order:
    """A request that is fit to be painted and billed."""

    mode: str  # generate, edit, upscale or variations
    model: Model
    requested: str  # the model as the client wrote it
    provider: str
    prompt: str
    n: int
    size: tuple[int, int]
    seed: int | None
    transparent: bool
    response_format: str
    output_format: str
    compression: int | None
    frames: int = 1
    pictures: tuple[Image.Image, ...] = ()
    region: NDArray[np.bool_] | None = None  # [H, W], True = paint

    @property
    def cost(self) -> Decimal:
        return self.model.cost * self.n


def check(received: Received, offer: Offer) -> Order:
    """Raises the refusal that comes first: content type, model, mode, pictures, parameters, prompt."""
    form = received.endpoint != "images/generations"
    if received.content_type != ("multipart/form-data" if form else "application/json"):
        wanted = "multipart/form-data" if form else "application/json"
        raise invalid(f"/{received.endpoint} takes {wanted}, not '{received.content_type}'.")
    fields = _Fields(received.fields, text_only=form)
    requested = fields.text("model")
    if not requested:
        raise invalid("The parameter 'model' is required.")
    model, received.provider = offer.find(requested)
    received.model = model.id

    scale = fields.number("scale_factor")
    mode = _mode(received.endpoint, model, scale)
    uploads = _uploads(received) if form else []
    if form:
        _require_pictures(uploads, model)
    pictures = tuple(files.decode(data, f"image {place}") for place, data in enumerate(uploads, 1))
    if mode == "variations":
        _require_square_png(uploads[0], pictures[0])
    mask = received.files.get("mask", []) if mode == "edit" else []
    strokes = received.files.get("markup", []) if mode == "edit" else []
    if strokes and "markup" not in model.parameters:
        raise invalid(f"Model '{model.id}' does not support the parameter 'markup'.")
    if strokes and mask:
        raise invalid("The parameters 'markup' and 'mask' cannot be combined.")
    # Checked, and then of no use to a painter of dunes.
    fields.choice("quality", QUALITIES)
    fields.choice("complexity", COMPLEXITIES)

    return Order(
        mode=mode,
        model=model,
        requested=requested,
        provider=received.provider,
        prompt=_prompt(fields, required=mode in ("generate", "edit")),
        n=fields.whole("n", 1, 10) or 1,
        size=_size(mode, fields, pictures, scale or 1.0),
        seed=fields.whole("seed"),
        transparent=fields.text("background") == "transparent",
        response_format=fields.choice("response_format", RESPONSE_FORMATS) or "url",
        output_format=fields.choice("output_format", _formats(model)) or model.native_format,
        compression=fields.whole("output_compression", 0, 100),
        frames=_frames(fields, model, mode, has_mask=bool(mask)),
        pictures=pictures,
        region=files.decode_mask(mask[0], pictures[0].size)
        if mask
        else files.decode_markup(strokes[0], pictures[0].size)
        if strokes
        else None,
    )


def _formats(model: Model) -> tuple[str, ...]:
    """To SVG nothing is converted (docs.lumenfall.ai/unified-model-behavior): it comes from those that make it."""
    makes_svg = model.native_format == "svg" or "svg" in model.parameters
    return tuple(name for name in files.MIME_TYPES if name != "svg" or makes_svg)


def _frames(fields: _Fields, model: Model, mode: str, *, has_mask: bool) -> int:
    """How many frames the answer has, of the models that make several. Their conditions are those of OpenAI
    (openai-python 3.57.0, types/image_edit_params.py).
    """
    output_format, compression = fields.text("output_format"), fields.whole("output_compression", 0, 100)
    count = fields.whole("frame_count", 2, 16)
    if "frame_count" not in model.parameters or mode == "upscale":
        return 1
    if output_format != "gif" and (count is not None or fields.whole("frame_duration_ms") is not None):
        raise invalid("frame_count and frame_duration_ms are only supported with output_format=gif.")
    if output_format == "gif" and (has_mask or compression is not None):
        raise invalid("GIF output does not support masks or custom output compression.")
    if output_format == "svg" and ((fields.whole("n", 1, 10) or 1) != 1 or compression is not None):
        raise invalid("SVG output requires n=1 and does not support output compression.")
    return count or 1


class _Fields:
    """Typed access to a JSON body, or to a form where every value is text. Raises INVALID_REQUEST."""

    def __init__(self, values: dict[str, Any], *, text_only: bool) -> None:
        self._values = values
        self._text_only = text_only

    def text(self, name: str) -> str | None:
        value = self._values.get(name)
        if value is None or isinstance(value, str):
            return value
        raise invalid(f"The parameter '{name}' must be a string.")

    def choice(self, name: str, allowed: tuple[str, ...]) -> str | None:
        value = self.text(name)
        if value is None or value in allowed:
            return value
        raise invalid(f"Invalid {name} '{value}': supported are {', '.join(allowed)}.")

    def number(self, name: str) -> float | None:
        value = self._values.get(name)
        if self._text_only and isinstance(value, str):
            value = _numeral(value)
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            return value
        raise invalid(f"The parameter '{name}' must be a number.")

    def whole(self, name: str, least: int | None = None, most: int | None = None) -> int | None:
        value = self.number(name)
        if value is None:
            return None
        if not isinstance(value, int):
            raise invalid(f"The parameter '{name}' must be a whole number.")
        if (least is not None and value < least) or (most is not None and value > most):
            raise invalid(f"The parameter '{name}' must be between {least} and {most}.")
        return value


def _numeral(text: str) -> object:
    """The number that a form's text means, whole if it can be, or the text itself."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


def _mode(endpoint: str, model: Model, scale: float | None) -> str:
    if endpoint == "images/variations":
        if "variations" not in model.modes:  # Lumenfall has no such endpoint
            raise Refusal("NOT_FOUND", f"Invalid URL (POST /openai/v1/{endpoint})")
        return "variations"
    if endpoint == "images/generations":
        mode = "generate"
    elif scale is not None:
        mode = "upscale"  # the gateway tells an upscale by this parameter alone
    elif model.modes == ("upscale",):
        raise invalid(f"The parameter 'scale_factor' is required for '{model.id}'.")
    else:
        mode = "edit"
    model.require(mode)
    if mode == "upscale" and scale is not None:
        allowed = FACTORS.get(model.id)
        if not 0 < scale <= MAX_SCALE or (allowed and scale not in allowed):
            raise invalid(f"The scale_factor {scale:g} is not supported by '{model.id}'.")
    return mode


def _uploads(received: Received) -> list[bytes]:
    """The pictures in order: one ``image``, or any number of ``image[]`` or ``image[N]``; of ``image`` too where other
    servers are played.
    """
    if any(_IMAGE_FIELD.fullmatch(name) for name in received.fields) or "mask" in received.fields:
        raise invalid("Pictures and masks must be uploaded as files.")
    if len(received.files.get("image", [])) > 1 and not received.path.startswith("/gateway/"):
        raise invalid("Send several pictures as image[], not by repeating image.")
    return [data for name, sent in received.files.items() if _IMAGE_FIELD.fullmatch(name) for data in sent]


def _require_pictures(uploads: list[bytes], model: Model) -> None:
    if not uploads:
        raise invalid("The parameter 'image' is required.")
    if len(uploads) > model.max_images:
        limit = "" if model.max_images == 1 else f" beyond {model.max_images}"
        raise invalid(f"Model '{model.id}' does not support multiple input images{limit}: {len(uploads)} were sent.")


def _require_square_png(data: bytes, picture: Image.Image) -> None:
    """OpenAI's rule for variations."""
    if not data.startswith(files.PNG_SIGNATURE) or len(data) >= files.MAX_MASK_BYTES or picture.width != picture.height:
        raise invalid("The image must be a square PNG file of less than 4 MB.")


def _prompt(fields: _Fields, *, required: bool) -> str:
    prompt = fields.text("prompt") or ""
    if required and not prompt.strip():
        raise invalid("The parameter 'prompt' is required.")
    if len(prompt) > MAX_PROMPT:
        raise invalid(f"The prompt is too long: at most {MAX_PROMPT} characters.")
    if _FORBIDDEN.search(prompt):
        raise Refusal("CONTENT_POLICY_VIOLATION", "The prompt was rejected by the provider's content policy.")
    return prompt


def _size(mode: str, fields: _Fields, pictures: tuple[Image.Image, ...], scale: float) -> tuple[int, int]:
    if mode == "upscale":
        width, height = (round(side * scale) for side in pictures[0].size)
        if width * height > files.MAX_PIXELS:
            raise invalid(f"The result would have more than {files.MAX_PIXELS // 1_000_000} megapixels.")
        return width, height
    if mode == "variations":
        return pixel_size(fields.choice("size", VARIATION_SIZES), None, None)
    shape = fields.text("size"), fields.text("aspect_ratio"), fields.text("resolution")
    return pixel_size(*shape, natural=pictures[0].size) if pictures else pixel_size(*shape)
