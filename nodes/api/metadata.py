"""What an answer says about itself, beside its pictures: its request's id, the model that ran, the cost.

Loose about shape: a field of an unexpected type counts as not there. Errors and pictures are read by the same rules.
Sources: docs.lumenfall.ai/api-reference/images; the documentation of OpenRouter, DeepInfra and LiteLLM.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    PrivateAttr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

MAX_NAME = 120
"""Characters of an id or a name that are kept."""

REQUEST_ID_HEADERS = ("x-lumenfall-request-id", "x-request-id", "x-litellm-call-id")


def or_none(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """For WrapValidator: None in place of a value of an unexpected type."""
    try:
        return handler(value)
    except ValidationError:
        return None


def _amount_or_none(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    return None if isinstance(value, bool) else or_none(value, handler)


def _writable(text: str) -> str:
    """JSON may hold half a character, which neither files nor databases take."""
    return text.encode("utf-8", "replace").decode()


Text = Annotated[Annotated[str, AfterValidator(_writable)] | None, WrapValidator(or_none)]
Money = Annotated[Annotated[float, Field(ge=0, lt=1e6)] | None, WrapValidator(_amount_or_none)]
"""An amount that can be one, as a number or in digits; anything else counts as not named."""


MOST_DOLLARS = 100.0
"""What one request may cost at most, in US dollars: the dearest that are known cost a few. What names more counts in
millionths, or not at all.
"""


def believable(cost: float | None, currency: str | None) -> float | None:
    """``cost``; None where nothing can have cost so much."""
    is_dollars = (currency or "USD").upper() == "USD"
    return None if cost is not None and is_dollars and cost >= MOST_DOLLARS else cost


class Metadata(BaseModel):
    executed_model: Text = None
    provider: Text = None
    provider_name: Text = None
    cost: Money = None
    cost_currency: Text = None
    currency: Text = None
    _named: Any = PrivateAttr(default=None)

    @property
    def is_cost_odd(self) -> bool:
        """Whether a cost is named that cannot be one."""
        return self._named is not None and self.cost is None


class _Costs(BaseModel):
    """Where gateways name the cost: in US dollars, unless they say otherwise."""

    cost: Money = None
    total_cost: Money = None
    currency: Text = None
    cost_currency: Text = None

    def named(self, usual: str = "USD") -> tuple[float, str] | None:
        """The cost and its currency; ``usual`` where it names none."""
        currency = _code_of(self.cost_currency) or _code_of(self.currency) or usual
        cost = believable(self.total_cost if self.cost is None else self.cost, currency)
        return None if cost is None else (cost, currency)


def _code_of(currency: str | None) -> str | None:
    """A currency by its code (ISO 4217); None for any other text."""
    return currency.upper() if currency and re.fullmatch(r"[A-Za-z]{3}", currency) else None


COST_HEADER = "x-litellm-response-cost"


def read_metadata(content: Any, headers: Mapping[str, str] = MappingProxyType({})) -> Metadata:
    """What an answer that JSON has decoded to ``content`` says of itself: in ``metadata``, its cost also in ``usage``
    (OpenRouter), ``inference_status`` (DeepInfra) or at the top, or in a header (LiteLLM). Never raises.
    """
    content = content if isinstance(content, Mapping) else {}
    inner = content.get("metadata")
    inner = inner if isinstance(inner, Mapping) else {}
    metadata = Metadata.model_validate(inner)
    metadata._named = inner.get("cost")
    metadata.cost_currency = metadata.cost_currency or _code_of(metadata.currency)
    metadata.cost = believable(metadata.cost, metadata.cost_currency)
    if metadata.cost is not None:
        return metadata
    top = _Costs.model_validate({name: content.get(name) for name in ("cost", "currency", "cost_currency")})
    usual = _code_of(top.cost_currency) or _code_of(top.currency) or "USD"
    places = [content.get("usage"), content.get("inference_status")]
    named = [_Costs.model_validate(place).named(usual) for place in places if isinstance(place, Mapping)]
    # LiteLLM names 0 for a model of which it has no price.
    header = _Costs.model_validate({"cost": headers.get(COST_HEADER)})
    named += [top.named(), header.named() if header.cost else None]
    cost = next((cost for cost in named if cost is not None), None)
    if cost is not None:
        metadata.cost, metadata.cost_currency = cost
    return metadata


def request_id(headers: Mapping[str, str]) -> str | None:
    """The id under which the server logs this request, from an answer's headers."""
    return next((headers[name][:MAX_NAME] for name in REQUEST_ID_HEADERS if headers.get(name)), None)
