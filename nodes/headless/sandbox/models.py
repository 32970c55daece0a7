"""What the sandbox offers: the bundled model list, and a few models of its own."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from .refusal import Refusal, invalid

# Read as data and by its place: the sandbox judges the client, so it shares no code with it.
CATALOGUE = Path(__file__).resolve().parents[2] / "api" / "catalogue.json"

# Mode of a model: the word for it in the ``capabilities`` of the models list.
CAPABILITIES = {
    "generate": "text-to-image",
    "edit": "editing",
    "upscale": "upscaling",
    "variations": "variations",
    "chat": "text-generation",
    "video": "text-to-video",
}

# Slug that may stand before a model: display name (docs.lumenfall.ai/providers and the agent skill).
PROVIDERS = {
    "sandbox": "Sandbox",
    "alibaba": "Alibaba",
    "byteplus": "BytePlus",
    "fal": "fal",
    "fireworks": "Fireworks",
    "gemini": "Google Gemini",
    "openai": "OpenAI",
    "openrouter": "OpenRouter",
    "replicate": "Replicate",
    "runware": "Runware",
    "vertex": "Google Vertex AI",
    "xai": "xAI",
}

# OpenAI switched DALL-E 2 off on 2026-05-12; it also had a route through Replicate.
STILL_ROUTED = "replicate/dall-e-2"

DEFAULT_PRICE = Decimal("0.01")
DEFAULT_MAX_IMAGES = 16
CREATED = 1_763_856_000  # 2025-11-23; real dates of birth are of no use to a client

OWN_MODELS: tuple[dict[str, Any], ...] = (
    {
        "id": "sandbox-image",
        "name": "Sandbox Image",
        "modes": ["generate", "edit"],
        "parameters": ["seed"],
        "aliases": ["sandbox-picture"],
    },
    {"id": "sandbox-variations", "name": "Sandbox Variations", "modes": ["variations"], "max_images": 1},
    {"id": "sandbox-chat", "name": "Sandbox Chat", "modes": ["chat"], "modality": "text"},
    {"id": "sandbox-video", "name": "Sandbox Video", "modes": ["video"], "modality": "video"},
)

# Accepted by every image model (docs.lumenfall.ai/unified-model-behavior).
UNIVERSAL_PARAMETERS: dict[str, dict[str, Any]] = {
    "prompt": {"type": "string"},
    "n": {"type": "integer", "minimum": 1, "maximum": 10, "default": 1},
    "size": {"type": "string", "default": "1024x1024"},
    "aspect_ratio": {"type": "string"},
    "resolution": {"type": "string", "enum": ["0.5K", "1K", "2K", "4K", "auto"]},
    "response_format": {"type": "string", "enum": ["url", "b64_json"], "default": "url"},
    "output_format": {"type": "string", "enum": ["png", "jpeg", "gif", "webp", "avif", "svg"]},
    "output_compression": {"type": "integer", "minimum": 0, "maximum": 100},
    "user": {"type": "string"},
}
OWN_PARAMETERS: dict[str, dict[str, Any]] = {
    "quality": {"type": "string", "enum": ["auto", "low", "medium", "high", "standard", "hd", "xhigh", "max"]},
    "complexity": {"type": "string", "enum": ["low", "medium", "high"]},
    "background": {"type": "string", "enum": ["auto", "transparent", "opaque"]},
    "moderation": {"type": "string", "enum": ["auto", "low"]},
    "seed": {"type": "integer"},
    "cfg_scale": {"type": "number"},
    "scale_factor": {"type": "number"},
    "disable_safety_checker": {"type": "boolean"},
    "face_enhancement": {"type": "boolean"},
    "frame_count": {"type": "integer", "minimum": 2, "maximum": 16},
    "frame_duration_ms": {"type": "integer"},
}


@dataclass(frozen=True)
class Model:
    """One model. ``price`` is USD for one picture, None where the list does not know it."""

    id: str
    name: str
    modes: tuple[str, ...]
    parameters: tuple[str, ...] = ()
    max_images: int = DEFAULT_MAX_IMAGES
    price: Decimal | None = None
    aliases: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()
    modality: str = "image"
    ends: str | None = None

    @classmethod
    def from_entry(cls, entry: dict[str, Any]) -> Model:
        """From an entry of the catalogue; facts that the sandbox does not need are left out."""
        known: dict[str, Any] = {name: entry[name] for name in cls.__dataclass_fields__ if name in entry}
        for name in {"modes", "parameters", "aliases", "snapshots"} & known.keys():
            known[name] = tuple(known[name])
        return cls(**known)

    @property
    def cost(self) -> Decimal:
        """What one picture is billed at."""
        return DEFAULT_PRICE if self.price is None else self.price

    @property
    def native_format(self) -> str:
        """What it answers with where nothing else is asked for."""
        return "svg" if "-svg" in self.id else "png"

    def require(self, mode: str) -> None:
        """Refuse unless the model can do this; the message names what it can do."""
        if mode not in self.modes:
            supported = ", ".join(self.modes)
            raise invalid(f"Model '{self.id}' does not support the mode '{mode}'. Supported modes: {supported}.")

    def listing(self) -> dict[str, Any]:
        """The entry in the models list, with the optional fields that Lumenfall's own clients read."""
        return {
            "id": self.id,
            "object": "model",
            "created": CREATED,
            "owned_by": "lumenfall",
            "name": self.name,
            "modality": self.modality,
            "capabilities": [CAPABILITIES[mode] for mode in self.modes],
            "model_status": "active",
            "starting_price": None if self.price is None else float(self.price),
            "free": self.price == 0,
            "tags": [],
            "aliases": list(self.aliases),
            "alternative_names": [],
            "shutdown_date": self.ends,  # OpenAI's field
        }

    def schema(self) -> dict[str, Any]:
        """A JSON schema of the parameters. The real answer's shape is not public; this one is a guess."""
        own = {name: OWN_PARAMETERS.get(name, {"type": "string"}) for name in self.parameters}
        required = [] if {"upscale", "variations"} & set(self.modes) else ["prompt"]
        if "upscale" in self.modes:
            required = ["scale_factor"]
        return {"type": "object", "properties": UNIVERSAL_PARAMETERS | own, "required": required}


class Offer:
    """All models, found by id, by alias, or with a provider in front."""

    def __init__(self) -> None:
        # Prices are read as decimals, so that a bill of many cents stays exact.
        catalogue = json.loads(CATALOGUE.read_text(encoding="utf-8"), parse_float=Decimal)
        self.models = tuple(Model.from_entry(entry) for entry in (*catalogue["models"], *OWN_MODELS))
        self._disabled = {entry["id"] for entry in catalogue["ended"]}
        self._by_name = {name: model for model in self.models for name in (model.id, *model.aliases, *model.snapshots)}
        self._legacy = Model("dall-e-2", "DALL-E 2", ("generate", "edit"), max_images=1, price=Decimal("0.02"))

    def find(self, name: str) -> tuple[Model, str]:
        """The model and the slug of the provider that runs it. Raises the 404 that Lumenfall would answer."""
        provider, slash, slug = name.rpartition("/")
        if name == STILL_ROUTED:
            return self._legacy, provider
        if slug in self._disabled and (not slash or provider in PROVIDERS):
            raise Refusal("MODEL_DISABLED", f"Model '{name}' is disabled: its provider has retired it.")
        model = self._by_name.get(slug)
        if model is None or (slash and provider not in PROVIDERS):
            raise Refusal("MODEL_NOT_FOUND", f"Model '{name}' was not found.{self._suggestion(slug)}")
        return model, provider or "sandbox"

    def _suggestion(self, slug: str) -> str:
        close = difflib.get_close_matches(slug, self._by_name, n=1)
        return f" Did you mean '{close[0]}'?" if close else ""
