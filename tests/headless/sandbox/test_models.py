from __future__ import annotations

import json
from pathlib import Path

import httpx
from openai import OpenAI

CATALOGUE = json.loads((Path(__file__).parents[3] / "nodes" / "api" / "catalogue.json").read_text(encoding="utf-8"))


def test_offers_the_bundled_list_and_a_few_of_its_own(http: httpx.Client) -> None:
    bundled = {model["id"] for model in CATALOGUE["models"]}
    offered = {model["id"] for model in http.get("/models").json()["data"]}
    assert offered == bundled | {"sandbox-image", "sandbox-variations", "sandbox-chat", "sandbox-video"}


def test_a_client_can_tell_what_a_model_is_for(http: httpx.Client) -> None:
    body = http.get("/models").json()
    models = {model["id"]: model for model in body["data"]}
    assert body["object"] == "list"
    assert models["gpt-image-2"]["capabilities"] == ["text-to-image", "editing"]
    assert models["gpt-image-2"]["starting_price"] == 0.053
    assert models["real-esrgan"]["capabilities"] == ["upscaling"]
    assert models["sandbox-variations"]["capabilities"] == ["variations"]
    assert models["seedream-4.5"]["starting_price"] is None
    assert models["mock-image"]["free"] is True
    assert {models[name]["modality"] for name in ("sandbox-chat", "sandbox-video")} == {"text", "video"}
    assert models["flux.2-flex"]["aliases"] == ["flux-2-flex"]


def test_the_end_of_a_model_is_named_as_openai_names_it(openai: OpenAI) -> None:
    ends = {model["id"]: model.get("ends") for model in CATALOGUE["models"]}
    listed = {model.id: model.shutdown_date for model in openai.models.list()}
    assert {name: listed[name] for name in ends} == ends and any(ends.values())


def test_a_schema_on_request(http: httpx.Client) -> None:
    assert "schema" not in http.get("/models/flux.2-pro").json()
    schema = http.get("/models/fal/flux.2-pro", params={"schema": "true"}).json()["schema"]
    assert schema["properties"]["seed"] == {"type": "integer"}
    assert {"prompt", "n", "size", "output_format"} <= set(schema["properties"])
    assert schema["required"] == ["prompt"]
    upscaler = http.get("/models/real-esrgan", params={"schema": "true"}).json()["schema"]
    assert upscaler["required"] == ["scale_factor"]
