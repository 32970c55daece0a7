"""The real LiteLLM proxy between the nodes and the sandbox. Runs where ``LITELLM`` names its executable: install
``litellm[proxy]`` in an environment of its own. It takes a minute to start.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import torch

from nodes import errors
from nodes.errors import Charged
from nodes.headless.host import Headless
from nodes.headless.sandbox import Sandbox, running
from tests.conftest import Nodes

EXECUTABLE = os.environ.get("LITELLM")
pytestmark = pytest.mark.skipif(not EXECUTABLE, reason="LITELLM names no executable of LiteLLM's proxy")

KEY = "sk-litellm-master-key"
MODEL = "gpt-image-2"
PATIENCE = 180.0
CONFIG = """
model_list:
  - model_name: {model}
    litellm_params: {{model: openai/{model}, api_base: "{base}", api_key: sk-any, max_retries: 0}}
    model_info: {{mode: image_generation}}
general_settings: {{master_key: {key}}}
litellm_settings: {{num_retries: 0}}
router_settings: {{num_retries: 0}}
"""


@pytest.fixture(scope="module")
def upstream() -> Iterator[Sandbox]:
    with running() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def gateway(upstream: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("litellm")
    (folder / "config.yaml").write_text(CONFIG.format(model=MODEL, base=upstream.base_url, key=KEY))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(EXECUTABLE), "--config", str(folder / "config.yaml"), "--host", "127.0.0.1", "--port", str(port)]
    environ = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with (folder / "log").open("w") as log:
        proxy = subprocess.Popen(command, env=environ, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait(f"http://127.0.0.1:{port}", proxy, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        proxy.terminate()
        proxy.wait()


def _wait(url: str, proxy: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    with httpx.Client(transport=httpx.HTTPTransport(retries=3), trust_env=False) as client:
        while proxy.poll() is None and time.monotonic() < end:
            try:
                if client.get(f"{url}/health/liveliness").is_success:
                    return
            except httpx.TransportError:
                pass
    raise AssertionError(log.read_text()[-3000:])


def nodes_at(url: str, folder: Path, key: str = KEY) -> Nodes:
    env = {"LUMENFALL_BASE_URL": url, "LUMENFALL_API_KEY": key, "LUMENFALL_DATA_DIR": str(folder)}
    return Nodes(Headless(env))


@pytest.mark.parametrize("version", ["", "/v1"])
def test_generate_edit_and_inpaint(gateway: str, upstream: Sandbox, tmp_path: Path, version: str) -> None:
    nodes = nodes_at(gateway + version, tmp_path)
    bills = len(upstream.bill)
    made = nodes("LumenfallGenerate", prompt="a cat", size="1024x1024", model=MODEL)
    assert made.images.shape == (1, 1024, 1024, 3)
    first, second = torch.rand(1, 64, 64, 3), torch.rand(1, 64, 64, 3)
    nodes("LumenfallEdit", prompt="a hat", image=first, image_2=second, model=MODEL)
    (sent,) = upstream.requests[-2].files.values()
    assert len(sent) == 2
    mask = torch.zeros(1, 64, 64)
    mask[:, 16:48, 16:48] = 1
    edited = nodes("LumenfallEdit", prompt="a hat", image=first, mask=mask, model=MODEL)
    assert "mask" in upstream.requests[-2].files and torch.equal(edited.images[mask == 0], first[mask == 0])
    assert len(upstream.bill) == bills + 3
    again = nodes("LumenfallGenerate", prompt="a cat", size="1024x1024", model=MODEL)
    assert again.report["replayed"] and len(upstream.bill) == bills + 3


def test_what_litellm_counts_is_booked(gateway: str, upstream: Sandbox, tmp_path: Path) -> None:
    upstream.fail_next("tokens")
    made = nodes_at(f"{gateway}/v1", tmp_path)("LumenfallGenerate", prompt="a dog", size="1024x1024", model=MODEL)
    assert made.report["cost"] == pytest.approx(float(upstream.bill[-1].cost))
    assert "approximate" not in made.report and made.report["request_id"]


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("content-policy", errors.ContentPolicyViolation, "CONTENT_POLICY_VIOLATION"),
        ("azure-filter", errors.ContentPolicyViolation, "CONTENT_FILTERED"),
        ("unverified", errors.AuthenticationFailed, "ORGANIZATION_NOT_VERIFIED"),
        ("no-quota", errors.InsufficientBalance, "INSUFFICIENT_QUOTA"),
    ],
)
def test_what_the_provider_said_is_told_through_it(
    gateway: str, upstream: Sandbox, tmp_path: Path, fault: str, kind: type[errors.ApiError], code: str
) -> None:
    bills = len(upstream.bill)
    # The gateway tries a 429 again by itself, whatever it means.
    upstream.fail_next(f"{fault}:9")
    with pytest.raises(kind) as caught:
        nodes_at(f"{gateway}/v1", tmp_path)("LumenfallGenerate", prompt="a fox", size="1024x1024", model=MODEL)
    upstream.faults.clear()
    assert (caught.value.code, caught.value.charged) == (code, Charged.NO)
    assert len(upstream.bill) == bills


def test_a_wrong_key_is_called_that(gateway: str, tmp_path: Path) -> None:
    with pytest.raises(errors.AuthenticationFailed, match="master key"):
        nodes_at(f"{gateway}/v1", tmp_path, "sk-another-key")("LumenfallGenerate", prompt="a fox", model=MODEL)


def test_a_model_that_it_does_not_know_is_called_that(gateway: str, tmp_path: Path) -> None:
    with pytest.raises(errors.ModelUnavailable) as caught:
        nodes_at(f"{gateway}/v1", tmp_path)("LumenfallGenerate", prompt="a fox", model="flux-unknown")
    assert (caught.value.code, caught.value.charged) == ("MODEL_NOT_FOUND", Charged.NO)
