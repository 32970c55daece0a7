"""Each refusal gets the advice that mends it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nodes import errors
from nodes.api import Reply, error_for
from nodes.api.retries import refused_for_now
from nodes.errors import ApiError, AuthenticationFailed, Charged, InsufficientBalance, ModelUnavailable


def body(content: Any) -> bytes:
    return json.dumps(content).encode()


UNVERIFIED = "Your organization must be verified to use the model `gpt-image-2.6-sunburst`. Please go to: https://x"
REGION = "Country, region, or territory not supported"
QUOTA = "You exceeded your current quota, please check your plan and billing details."
PROJECT = "Project `proj_1` does not have access to model `gpt-image-2`"
LITELLM = "key not allowed to access model. This key can only access models=['flux']. Tried to access gpt-image-2"
UNKNOWN = "/images/generations: Invalid model name passed in model=flux. Call `/v1/models` to view available models"
BUDGET = "Budget has been exceeded! Current cost: 10.1, Max budget: 10.0"
SCOPES = "You have insufficient permissions for this operation. Missing scopes: api.model.images.request."
AZURE = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
INNER = {"code": "ResponsibleAIPolicyViolation"}


DENIED, BLOCKED = AuthenticationFailed, errors.ContentPolicyViolation
EMPTY, UNAVAILABLE = InsufficientBalance, ModelUnavailable


def error(message: str, code: str | None = None, **more: Any) -> dict[str, Any]:
    return {"message": message, "code": code, **more}


@pytest.mark.parametrize(
    ("status", "content", "kind", "code", "says"),
    [
        (403, error(UNVERIFIED), DENIED, "ORGANIZATION_NOT_VERIFIED", "15 minutes"),
        (400, error(UNVERIFIED, "unsupported_value"), DENIED, "ORGANIZATION_NOT_VERIFIED", ""),
        (403, error(REGION, "unsupported_country_region_territory"), DENIED, "REGION_NOT_SUPPORTED", "VPN"),
        (429, error(QUOTA, "insufficient_quota"), EMPTY, "INSUFFICIENT_QUOTA", "Waiting does not help"),
        (429, error(QUOTA, type="insufficient_quota"), EMPTY, "INSUFFICIENT_QUOTA", ""),
        (403, error(PROJECT, "model_not_found"), UNAVAILABLE, "MODEL_NOT_ALLOWED", "its project"),
        (403, error(LITELLM, "403", type="key_model_access_denied"), UNAVAILABLE, "MODEL_NOT_ALLOWED", ""),
        (401, error(LITELLM, "401"), UNAVAILABLE, "MODEL_NOT_ALLOWED", ""),
        (429, error(BUDGET, "429", type="budget_exceeded"), EMPTY, "KEY_BUDGET_EXCEEDED", "gateway"),
        (400, error(BUDGET, "400"), EMPTY, "KEY_BUDGET_EXCEEDED", ""),
        (400, error("No connected db.", "400", type="no_db_connection"), DENIED, "AUTHENTICATION_FAILED", "master key"),
        (401, error(SCOPES), DENIED, "KEY_NOT_ALLOWED", "restricted"),
        (400, error(AZURE, "content_filter"), BLOCKED, "CONTENT_FILTERED", "levels"),
        (400, error("no", "content_policy_violation", inner_error=INNER), BLOCKED, "CONTENT_FILTERED", ""),
        (400, error("litellm.ContentPolicyViolationError: no", "400"), BLOCKED, "CONTENT_POLICY_VIOLATION", "Rephrase"),
        (400, error("Your request was rejected by the safety system."), BLOCKED, "CONTENT_POLICY_VIOLATION", ""),
        (404, error("No such deployment.", "DeploymentNotFound"), UNAVAILABLE, "MODEL_NOT_FOUND", "deployment"),
        (400, error(UNKNOWN, "400"), UNAVAILABLE, "MODEL_NOT_FOUND", "lumenfall models"),
        (404, error("The model `flux` does not exist."), UNAVAILABLE, "MODEL_NOT_FOUND", ""),
        (404, error('model "flux" not found, try pulling it first'), UNAVAILABLE, "MODEL_NOT_FOUND", ""),
        (400, error("flux/x is not a valid model ID"), UNAVAILABLE, "MODEL_NOT_FOUND", ""),
        (404, error("The page of this model does exist."), errors.NotFound, "NOT_FOUND", "base URL"),
        (403, "Forbidden", DENIED, "ACCESS_DENIED", "firewall"),
        (403, error("Virtual network rules.", "Forbidden"), DENIED, "FORBIDDEN", "firewall"),
    ],
)
def test_a_refusal_is_told_by_what_it_says(
    status: int, content: Any, kind: type[ApiError], code: str, says: str
) -> None:
    told = error_for(status, {}, body({"error": content}))
    assert (type(told), told.code, told.charged) == (kind, code, Charged.NO)
    assert says in told.hint and "mistyped" not in told.hint


@pytest.mark.parametrize("content", [error(QUOTA, "insufficient_quota"), error(BUDGET, "429")])
def test_who_has_no_money_left_is_not_asked_again(content: Any) -> None:
    assert not refused_for_now(Reply(429, {}, body({"error": content})))
    assert refused_for_now(Reply(429, {}, body({"error": error("slow down", "429")})))


@pytest.mark.parametrize("status", [200, 408, 500, 502])
@pytest.mark.parametrize("text", [BUDGET, UNVERIFIED, LITELLM, "litellm.ContentPolicyViolationError"])
def test_words_alone_never_say_that_nothing_was_charged(status: int, text: str) -> None:
    assert error_for(status, {}, body({"error": {"message": text}})).charged is Charged.UNKNOWN


def test_a_known_code_outweighs_words() -> None:
    told = error_for(400, {}, body({"error": {"message": f"rejected: {BUDGET}", "code": "moderation_blocked"}}))
    assert type(told) is errors.ContentPolicyViolation and told.code == "MODERATION_BLOCKED"


def test_the_status_that_a_gateway_repeats_is_no_code() -> None:
    assert error_for(400, {}, body({"error": {"message": "bad size", "code": "400"}})).code == "INVALID_REQUEST"


def test_a_401_is_still_the_key() -> None:
    told = error_for(401, {}, body({"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}))
    assert "mistyped" in told.hint
