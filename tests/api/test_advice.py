"""Each refusal gets the advice that mends it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nodes import errors
from nodes.api import Picture, Reply, error_for, read_answer
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


FLAGGED = {"loc": ["body", "prompt"], "msg": "It was stopped.", "type": "content_policy_violation"}


@pytest.mark.parametrize(
    ("status", "content", "kind", "says"),
    [
        (
            403,
            {"code": 30001, "message": "Sorry, your account balance is insufficient", "data": None},
            EMPTY,
            "balance",
        ),
        (403, {"detail": "User is locked. Reason: Exhausted balance."}, EMPTY, "billing"),
        (403, {"code": "no permission", "error": "Your team has used all available credits."}, EMPTY, "billing"),
        (403, {"error": error("user quota is not enough", "insufficient_user_quota")}, EMPTY, "billing"),
        (
            402,
            {"title": "Insufficient credit", "detail": "You have insufficient credit.", "status": 402},
            EMPTY,
            "billing",
        ),
        (422, {"detail": [FLAGGED]}, BLOCKED, "Rephrase"),
        (422, {"error": error("NSFW content detected")}, BLOCKED, "Rephrase"),
        (403, {"error": error('Your input was flagged for "violence".')}, BLOCKED, "Rephrase"),
        (400, {"code": "x", "error": "Generated image rejected by content moderation."}, BLOCKED, "Rephrase"),
        (404, {"error": error("No endpoints found matching your data policy.")}, UNAVAILABLE, "Privacy"),
        (400, [{"error": error("API key not valid. Please pass a valid API key.")}], DENIED, "Check the API key"),
        (403, {"error": error("Your API key was reported as leaked.")}, DENIED, "Check the API key"),
        (400, {"error": error("api-version query parameter is required")}, errors.NotFound, "/openai/v1"),
        (400, {"errors": [{"title": "Bad", "detail": "prompt too long"}]}, errors.InvalidRequest, "prompt too long."),
        (422, {"type": "about:blank", "title": "n must be 1", "status": 422}, errors.InvalidRequest, "n must be 1."),
    ],
)
def test_each_gateway_has_its_own_way_to_say_it(status: int, content: Any, kind: type[ApiError], says: str) -> None:
    refusal = error_for(status, {}, body(content))
    assert type(refusal) is kind and refusal.charged is Charged.NO and says in f"{refusal.message} {refusal.hint}"


def test_a_web_server_that_wants_https_says_so_on_a_page() -> None:
    page = b"<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>"
    assert "https://" in error_for(400, {"content-type": "text/html"}, page).hint


def test_a_network_that_wants_a_login_is_no_fault_of_the_server() -> None:
    assert "login" in error_for(511, {}, b"<title>Welcome</title>").hint


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("https://api.example.com/v1/images/generations?key=secret", "(https://api.example.com/v1)"),
        ("http://u:secret@10.0.0.1:8080/login", "(http://10.0.0.1:8080/login)"),
        ("/v2/images/edits", "(/v2)"),
        ("http://[", ""),
        ("", ""),
    ],
)
def test_a_redirect_says_where_it_leads_and_nothing_secret(location: str, told: str) -> None:
    hint = error_for(307, {"location": location}, b"").hint
    assert told in hint and "secret" not in hint and ("(" in hint) is bool(told)


@pytest.mark.parametrize(
    ("asked", "told"), [("3600", "60 minutes"), ("61", "2 minutes"), ("5", "a little"), ("x", "a little")]
)
def test_a_long_pause_is_told(asked: str, told: str) -> None:
    assert told in error_for(429, {"retry-after": asked}, b"{}").hint


def test_words_of_success_hide_no_picture() -> None:
    answer = read_answer(200, {}, body({"code": 0, "msg": "ok", "data": None, "made": {"picture_url": "https://m/1"}}))
    assert (answer.pictures, answer.notes) == ((Picture(url="https://m/1"),), ())


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
