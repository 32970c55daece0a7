"""Refusals that say more than their status, and what is to be done about each: most of them are 403, which is no word
on whether the key is right.

Sources: developers.openai.com/api/docs/guides/error-codes; learn.microsoft.com, Azure OpenAI, content filtering;
litellm 1.108.7, ProxyErrorTypes in proxy/_types.py and the messages of proxy/auth/auth_checks.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import (
    ApiError,
    AuthenticationFailed,
    ContentPolicyViolation,
    InsufficientBalance,
    ModelUnavailable,
    NotFound,
)
from .base_urls import AZURE


@dataclass(frozen=True)
class Advice:
    """What is meant by a refusal that has one of these ``names`` as its code, or its type, or one of these ``words`` in
    its text.
    """

    code: str
    kind: type[ApiError]
    hint: str
    names: frozenset[str]
    words: re.Pattern[str]


def _advice(code: str, kind: type[ApiError], hint: str, names: str, words: str) -> Advice:
    return Advice(code, kind, hint, frozenset(names.upper().split()), re.compile(words, re.IGNORECASE))


_KNOWN = (
    _advice(
        "ORGANIZATION_NOT_VERIFIED",
        AuthenticationFailed,
        "The key is right, but this model is only for verified organisations. Verify yours in the settings of your "
        "OpenAI account (platform.openai.com/settings/organization/general); it takes up to 15 minutes to count. Or "
        "choose another model.",
        "",
        r"organi[sz]ation (must|needs to|has to) be verified|verify (your )?organi[sz]ation",
    ),
    _advice(
        "REGION_NOT_SUPPORTED",
        AuthenticationFailed,
        "The key is right, but the provider does not serve the country that the request came from; behind a VPN or a "
        "proxy that is where it ends. Use another way out, or another provider.",
        "unsupported_country_region_territory",
        r"(country|region|territory|location)[\w ,]* (is )?not (supported|available)",
    ),
    _advice(
        "KEY_BUDGET_EXCEEDED",
        InsufficientBalance,
        "The gateway's own budget for this key, its user or its team is used up. Whoever runs the gateway can raise "
        "it; else wait until it begins anew.",
        "budget_exceeded",
        r"budget has been exceeded|ExceededBudget|(max|over) budget\b.*\bspend",
    ),
    _advice(
        "INSUFFICIENT_QUOTA",
        InsufficientBalance,
        "Waiting does not help: the account has no credit left, or has reached its monthly limit. Look at billing and "
        "limits in the account of your provider; a subscription to its chat does not pay for its API.",
        "insufficient_quota billing_not_active insufficient_user_quota Arrearage",
        r"exceeded your current quota|exhausted balance|(balance|quota|credits?) (is |are )?(insufficient|not enough"
        r"|used up|exhausted)|insufficient (balance|credits?|funds)|used all available credits"
        r"|monthly spending limit",
    ),
    _advice(
        "MODEL_NOT_ALLOWED",
        ModelUnavailable,
        "The key is right, but may not use this model. Allow the model for the key, its project or its team, or choose "
        "another one.",
        "key_model_access_denied team_model_access_denied user_model_access_denied customer_model_access_denied "
        "org_model_access_denied project_model_access_denied",
        r"(does|do) not have access to (the )?model|not allowed to (access|use) (this |the )?model"
        r"|can only access models",
    ),
    _advice(
        "MODEL_NOT_FOUND",
        ModelUnavailable,
        "The server knows no model of this name, or, at Azure, no deployment. Write it as the server's list has it "
        "(lumenfall models), at Azure as the deployment is called.",
        "DeploymentNotFound model_not_available",
        r"invalid model name|not a valid model\b|model identifier is invalid|no such model|unknown model\b"
        r"|\bmodel [`'\"]?[\w./:@-]+[`'\"]? (does not exist|(is |was )?not found)",
    ),
    _advice(
        "NO_ROUTE_TO_MODEL",
        ModelUnavailable,
        "The gateway has providers of this model, but your settings there allow none of them. At OpenRouter they are "
        "under Settings > Privacy, and the list of allowed providers. Or choose another model.",
        "",
        r"no endpoints found matching your|no allowed providers are available",
    ),
    _advice(
        "BASE_URL",
        NotFound,
        f"The base URL is an older one.{AZURE}",
        "",
        r"api-version query parameter|missing required query parameter: api-version",
    ),
    _advice(
        "BASE_URL",
        NotFound,
        "The base URL has to begin with https://.",
        "",
        r"plain HTTP request was sent to HTTPS port|client sent an HTTP request to an HTTPS server",
    ),
    _advice(
        "INVALID_API_KEY",
        AuthenticationFailed,
        AuthenticationFailed.default_hint,
        "",
        r"api key (is )?(not valid|invalid|expired)|invalid api key|api key was reported as leaked",
    ),
    _advice(
        "KEY_NOT_ALLOWED",
        AuthenticationFailed,
        "The key is right, but restricted. Allow it to make images in the settings of the key at your provider, or "
        "create one without restrictions.",
        "",
        r"missing scopes|insufficient permissions for this operation",
    ),
    _advice(
        "AUTHENTICATION_FAILED",
        AuthenticationFailed,
        "The gateway does not know this key: without a database LiteLLM takes its master key only.",
        "no_db_connection",
        r"^No connected db\b",
    ),
    _advice(
        "CONTENT_FILTERED",
        ContentPolicyViolation,
        "The content filter of Azure stopped it. Rephrase the prompt or use another picture; who administers the "
        "resource can also change the levels of its filter.",
        "content_filter contentFilter ResponsibleAIPolicyViolation",
        r"Azure OpenAI's content management policy|filtered due to the prompt triggering",
    ),
    _advice(
        "CONTENT_POLICY_VIOLATION",
        ContentPolicyViolation,
        ContentPolicyViolation.default_hint,
        "",
        r"\bContentPolicyViolationError\b|\bNSFW content\b|was flagged (for|as|by)\b|flagged by (a|our|the) content"
        r"|rejected by content moderation|inappropriate content"
        r"|rejected (by|as a result of) (our|the)[\w' ]* (safety system|content policy)",
    ),
)

FORBIDDEN = Advice(
    "ACCESS_DENIED",
    AuthenticationFailed,
    "It does not say why. The key may be right but restricted (its models, addresses or rights), or a firewall on the "
    "way has refused: try the same key and base URL from another network, and look at the key in the account of your "
    "provider.",
    frozenset(),
    re.compile(""),
)
"""A 403 that gives no known reason."""


def find_advice(names: Iterable[str | None], message: str = "") -> Advice | None:
    """What is known of a refusal that has these ``names``, else of one with this text."""
    upper = {name.upper() for name in names if name}
    named = next((advice for advice in _KNOWN if upper & advice.names), None)
    return named or next((advice for advice in _KNOWN if advice.words.search(message)), None)
