"""Error answers: their kind, what they say, and whether they cost money."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes import errors
from nodes.api import error_for
from nodes.errors import ApiError, Charged

NO, YES, UNKNOWN = Charged.NO, Charged.YES, Charged.UNKNOWN


def body(content: Any) -> bytes:
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("status", "code", "kind", "charged"),
    [
        (401, "AUTHENTICATION_FAILED", errors.AuthenticationFailed, NO),
        (402, "INSUFFICIENT_BALANCE", errors.InsufficientBalance, NO),
        (400, "INVALID_REQUEST", errors.InvalidRequest, NO),
        (400, "CONTENT_POLICY_VIOLATION", errors.ContentPolicyViolation, NO),
        (400, "moderation_blocked", errors.ContentPolicyViolation, NO),
        (404, "MODEL_NOT_FOUND", errors.ModelUnavailable, NO),
        (404, "MODEL_DISABLED", errors.ModelUnavailable, NO),
        (429, "RATE_LIMITED", errors.RateLimited, NO),
        (502, "ALL_PROVIDERS_EXHAUSTED", errors.ProvidersExhausted, UNKNOWN),
        (500, "UPSTREAM_ERROR", errors.ServerFault, UNKNOWN),
        (500, "INTERNAL_ERROR", errors.ServerFault, UNKNOWN),
        (403, None, errors.AuthenticationFailed, NO),
        (404, None, errors.NotFound, NO),
        (408, None, ApiError, UNKNOWN),
        (413, None, errors.PayloadTooLarge, NO),
        (503, None, errors.ServerFault, UNKNOWN),
        (503, "UPSTREAM_ERROR", errors.ServerFault, UNKNOWN),
        (503, "ALL_PROVIDERS_EXHAUSTED", errors.ProvidersExhausted, UNKNOWN),
        (503, "SERVICE_UNAVAILABLE", errors.ServerFault, NO),
        (524, None, errors.ServerFault, UNKNOWN),
        (400, "something_new", errors.InvalidRequest, NO),
    ],
)
def test_every_code_of_the_documentation(status: int, code: str | None, kind: type[ApiError], charged: Charged) -> None:
    error = error_for(status, {}, body({"error": {"message": "because", "type": "misleading", "code": code}}))
    assert type(error) is kind and error.charged is charged and error.status == status
    assert "because" in str(error) and charged.value in str(error)


def test_fastapis_complaints_are_readable() -> None:
    content = {"detail": [{"type": "missing", "loc": ["body", "prompt"], "msg": "Field required"}]}
    assert error_for(422, {}, body(content)).message == "The server refused (422): Field required."


def test_half_a_character_in_a_message_can_be_shown() -> None:
    str(error_for(400, {}, b'{"error": "x \\ud83d"}')).encode("utf-8")


def test_a_picture_in_place_of_an_explanation_is_not_quoted() -> None:
    assert error_for(500, {}, b"\x89PNG\r\n\x1a\n\0\0").message == "The server refused (500): a picture came."


def test_a_proxys_web_page_is_recognised() -> None:
    error = error_for(502, {"content-type": "text/html"}, b"<html><title>Bad\n Gateway</title>" + b"x" * 9999)
    assert "web page titled 'Bad Gateway'" in error.message and len(error.message) < 200


@pytest.mark.parametrize("status", [400, 404, 429, 500, 502, 503, 504])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("model_not_found", errors.ModelUnavailable),
        ("invalid_api_key", errors.AuthenticationFailed),
        ("insufficient_quota", errors.InsufficientBalance),
        ("rate_limit_exceeded", errors.RateLimited),
        ("content_policy_violation", errors.ContentPolicyViolation),
    ],
)
def test_a_code_that_says_that_nothing_was_made_counts_at_any_status(
    status: int, code: str, kind: type[ApiError]
) -> None:
    error = error_for(status, {}, body({"error": {"message": "no", "code": code}}))
    assert type(error) is kind and error.charged is NO


@pytest.mark.parametrize("code", [None, "get_channel_failed"])
def test_a_gateway_without_a_provider_has_made_nothing(code: str | None) -> None:
    message = "No available channel for model flux under group default (distributor)"
    error = error_for(503, {}, body({"error": {"message": message, "type": "new_api_error", "code": code}}))
    assert isinstance(error, errors.ModelUnavailable) and error.charged is NO


@pytest.mark.parametrize(
    ("status", "charged"),
    [
        *((status, NO) for status in (301, 307, 308, 405, 406, 407, 410, 411, 414, 417, 421, 425, 428, 431, 451, 501)),
        *((status, UNKNOWN) for status in (202, 302, 303, 408, 409, 418, 423, 424, 444, 460, 499, 500, 520, 522, 599)),
    ],
)
def test_without_a_code_the_status_decides(status: int, charged: Charged) -> None:
    assert error_for(status, {}, b"").charged is charged


@pytest.mark.parametrize("status", [200, 400, 403, 404, 422, 429, 500, 503])
@pytest.mark.parametrize("cost", [0.04, "0.04"])
def test_an_error_that_names_its_cost_was_charged(status: int, cost: Any) -> None:
    content = {"error": {"message": "blocked after painting", "code": "MODERATION_BLOCKED"}, "metadata": {"cost": cost}}
    error = error_for(status, {}, body(content))
    assert (error.charged, error.cost) == (YES, 0.04)


@pytest.mark.parametrize("cost", [40_000, -0.04, "four cents"])
def test_an_error_that_names_what_cannot_be_a_cost_may_have_been_charged(cost: Any) -> None:
    content = {"error": {"message": "no", "code": "INVALID_REQUEST"}, "metadata": {"cost": cost}}
    error = error_for(400, {}, body(content))
    assert (error.charged, error.cost) == (UNKNOWN, None)


def test_what_an_account_would_need_is_no_cost() -> None:
    content = {"error": {"message": "too little", "code": "INSUFFICIENT_BALANCE"}, "metadata": {"cost": 0.04}}
    assert error_for(402, {}, body(content)).charged is NO


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["error", "metadata", "cost", "code", "message"]), inner)
    ),
    max_leaves=12,
)


@given(st.integers(200, 599), _JSON)
def test_any_answer_becomes_an_error(status: int, content: Any) -> None:
    error = error_for(status, {}, body(content))
    assert error.status == status and str(error)


@pytest.mark.parametrize(("status", "headers"), [(407, {}), (403, {"proxy-authenticate": "Basic"})])
def test_a_refusal_by_a_proxy_names_the_proxy_and_not_the_key(status: int, headers: dict[str, str]) -> None:
    error = error_for(status, headers, b"")
    assert error.message.startswith(f"The proxy refused ({status})")
    assert "HTTP_PROXY" in error.hint and "API key" not in error.hint
    assert (error.code, error.charged) == (f"HTTP_{status}", Charged.NO)
