"""Everything this pack raises on purpose.

LumenfallError              a RuntimeError: message, hint, code, request id, charged
    InputError              an input is wrong; nothing was sent
    CredentialError         no usable API key
    StoreError              the journal of paid calls cannot be used; nothing was sent
    OldDependency           a package is missing or too old; nothing was sent
    BudgetExceeded          a limit of the user's does not allow the request; nothing was sent
    Unresolved              an equal request was sent before, and its end is not known; nothing was sent
    ConnectionFailed        the server was not reached, or broke off
    ApiError                the server answered with an error
        AuthenticationFailed
        InsufficientBalance
        InvalidRequest
        ContentPolicyViolation
        ModelUnavailable
        NotFound
        PayloadTooLarge
        RateLimited
        ProvidersExhausted
        ServerFault
    AnswerError             the server answered 200, but not with usable pictures
        DryRunCharged       a dry run was taken for the order itself
        DecoderFault        a picture that came, but that this pack or a package cannot read; it is not damaged
    DownloadError           a picture exists on the server but could not be fetched
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar

E = TypeVar("E", bound="LumenfallError")


class Charged(str, Enum):
    """Whether a failed request cost money, as far as the client can know."""

    YES = "charged"
    NO = "not charged"
    UNKNOWN = "may have been charged"


class LumenfallError(RuntimeError):
    """An error with an address.

    ``str(error)`` is what a person reads on the node: what happened, what to change, and a last line
    with the stable code, the request id and whether money was spent. ``call`` is the id of a call in the journal that
    keeps equal requests from being sent, which the user may give up; None where there is none.
    """

    default_code = "LUMENFALL_ERROR"
    default_hint = ""
    default_charged = Charged.NO

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # ComfyUI shows and stores the full module name of an exception's class; for a custom node that
        # would be an absolute path of the user's disk.
        cls.__module__ = "lumenfall"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: str | None = None,
        request_id: str | None = None,
        status: int | None = None,
        charged: Charged | None = None,
        cost: float | None = None,
        currency: str | None = None,
        call: str | None = None,
    ) -> None:
        self.message = message
        self.hint = self.default_hint if hint is None else hint
        self.code = code or self.default_code
        self.request_id = request_id
        self.status = status
        self.call = call
        self.charged = self.default_charged if charged is None else charged
        # What the answer itself says that the request has cost. None where it says nothing, or that it cost nothing.
        self.cost = cost
        self.currency = currency
        super().__init__(message)

    def __str__(self) -> str:
        facts = [self.code, *([f"request {self.request_id}"] if self.request_id else []), self.charged.value]
        return f"{sentences(self.message, self.hint)}\n[{' | '.join(facts)}]"

    def replaced(
        self: E,
        *,
        message: str | None = None,
        hint: str | None = None,
        code: str | None = None,
        request_id: str | None = None,
        charged: Charged | None = None,
        cost: float | None = None,
        currency: str | None = None,
        call: str | None = None,
    ) -> E:
        """The same error, of the same class and with the same cause and traceback, that says this instead."""
        error = type(self).__new__(type(self), *self.args)
        error.args = self.args
        error.__dict__.update(self.__dict__)
        error.__cause__ = self.__cause__
        error.__suppress_context__ = self.__suppress_context__
        error.message = self.message if message is None else message
        error.hint = self.hint if hint is None else hint
        error.code = code or self.code
        error.request_id = self.request_id if request_id is None else request_id
        error.charged = self.charged if charged is None else charged
        error.cost = self.cost if cost is None else cost
        error.currency = self.currency if currency is None else currency
        error.call = self.call if call is None else call
        return error.with_traceback(self.__traceback__)

    def as_dict(self) -> dict[str, Any]:
        """The same facts for machines: code, message, hint, request_id, status, charged, call."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "request_id": self.request_id,
            "status": self.status,
            "charged": self.charged.value,
            "call": self.call,
        }


def sentences(*parts: str) -> str:
    """Those of ``parts`` that say something, as one text."""
    return " ".join(part for part in parts if part)


_WORST_FIRST = (Charged.YES, Charged.UNKNOWN, Charged.NO)


def worst_of(errors: Sequence[LumenfallError]) -> LumenfallError:
    """The error that may have cost most, the earliest of equals; its hint tells of the others."""
    worst = min(errors, key=lambda error: _WORST_FIRST.index(error.charged))
    others = Counter(
        sentences(error.message, error.hint if error.hint != worst.hint else "")
        for error in errors
        if error is not worst
    )
    told = [
        f"{'Another request' if count == 1 else f'{count} other requests'} failed too: {text}"
        for text, count in others.items()
    ]
    return worst.replaced(hint=sentences(worst.hint, *told)) if told else worst


class InputError(LumenfallError):
    """An input of a node cannot be used. Raised before anything is sent."""

    default_code = "INVALID_INPUT"


class CredentialError(LumenfallError):
    """There is no API key for the configured server."""

    default_code = "NO_API_KEY"


class StoreError(LumenfallError):
    """The journal of paid calls cannot be written or read. Raised before anything is sent."""

    default_code = "STORE_UNUSABLE"


class OldDependency(LumenfallError):
    """A package that the pack needs is missing or too old. Raised before anything is sent."""

    default_code = "OLD_DEPENDENCY"


class BudgetExceeded(LumenfallError):
    """The request would go beyond a limit that the user has set. Raised before anything is sent."""

    default_code = "BUDGET_EXCEEDED"
    is_of_run = False
    """Whether the limit is that of one run: the same again would have as much anew."""


class Unresolved(LumenfallError):
    """An equal request was sent before and may have been charged, but its pictures never came."""

    default_code = "SENT_BEFORE"
    default_charged = Charged.UNKNOWN


class ConnectionFailed(LumenfallError):
    """The server was not reached, or the connection broke before the answer was complete."""

    default_code = "CONNECTION_FAILED"
    default_charged = Charged.UNKNOWN


class ApiError(LumenfallError):
    """The server answered with an error."""

    default_code = "API_ERROR"


class AuthenticationFailed(ApiError):
    default_code = "AUTHENTICATION_FAILED"
    default_hint = (
        "Check the API key, in ComfyUI under Settings > Lumenfall: it may be missing, mistyped, revoked, or meant for "
        "another server."
    )


class InsufficientBalance(ApiError):
    default_code = "INSUFFICIENT_BALANCE"
    default_hint = "Top up the balance in the dashboard of your provider, or choose a cheaper model or a smaller n."


class InvalidRequest(ApiError):
    default_code = "INVALID_REQUEST"
    default_hint = "Set size, quality and the Request Options to values this model accepts."


class ContentPolicyViolation(ApiError):
    default_code = "CONTENT_POLICY_VIOLATION"
    default_hint = "Rephrase the prompt, use another picture, or choose another model."


class ModelUnavailable(ApiError):
    default_code = "MODEL_NOT_FOUND"
    default_hint = "Choose another model; after a name change the server's list has the new one (lumenfall models)."


class NotFound(ApiError):
    default_code = "NOT_FOUND"
    default_hint = "Check the base URL: Lumenfall's ends in /openai/v1, OpenAI's and most others' in /v1."


class PayloadTooLarge(ApiError):
    default_code = "PAYLOAD_TOO_LARGE"
    default_hint = "Scale the input picture down, for example with an ImageScale node."


class RateLimited(ApiError):
    default_code = "RATE_LIMITED"
    default_hint = "Wait a little, then queue again."


class ProvidersExhausted(ApiError):
    default_code = "ALL_PROVIDERS_EXHAUSTED"
    default_hint = "Every provider failed. Try again later, drop unusual options, or choose another model."
    default_charged = Charged.UNKNOWN


class ServerFault(ApiError):
    default_code = "INTERNAL_ERROR"
    default_hint = "The fault is on the server. Look the request up before you send it again."
    default_charged = Charged.UNKNOWN


class AnswerError(LumenfallError):
    """The server reported success, but what it sent cannot be used."""

    default_code = "UNUSABLE_ANSWER"
    default_charged = Charged.UNKNOWN


class DryRunCharged(AnswerError):
    """The server took a dry run for the order itself: ``headers`` and ``body`` are its answer to that."""

    default_code = "DRY_RUN_CHARGED"

    def __init__(self, headers: Mapping[str, str], body: bytes) -> None:
        self.headers = headers
        self.body = body
        super().__init__("The server answered a dry run with pictures or a job: it took it for the order itself.")


class DecoderFault(AnswerError):
    """A picture came that cannot be read here, by no fault of its own: its file is to be kept, and read later."""

    default_code = "PACK_FAULT"


class DownloadError(LumenfallError):
    """A finished picture could not be fetched from its address."""

    default_code = "DOWNLOAD_FAILED"
    default_charged = Charged.YES


def let_go(error: BaseException | None) -> None:
    """Empty the frames that the traceback of ``error`` holds, and those of its causes: who keeps the error would keep
    the pictures and the open files that were at hand where it was raised.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
