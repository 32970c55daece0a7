"""What an answer says about itself, beside its pictures: its request's id, the model that ran, the cost.

Loose about shape: a field of an unexpected type counts as not there. Errors and pictures are read by the same rules.
Source: docs.lumenfall.ai/api-reference/images.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

MAX_NAME = 120
"""Characters of an id or a name that are kept."""

REQUEST_ID_HEADERS = ("x-lumenfall-request-id", "x-request-id")


def or_none(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """For WrapValidator: None in place of a value of an unexpected type."""
    try:
        return handler(value)
    except ValidationError:
        return None


def _amount_or_none(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    return None if isinstance(value, bool) else or_none(value, handler)


Text = Annotated[str | None, WrapValidator(or_none)]
Money = Annotated[Annotated[float, Field(ge=0, lt=1e6)] | None, WrapValidator(_amount_or_none)]
"""An amount that can be one, as a number or in digits; anything else counts as not named."""


class Metadata(BaseModel):
    executed_model: Text = None
    provider: Text = None
    provider_name: Text = None
    cost: Money = None
    cost_currency: Text = None


def read_metadata(content: Any) -> Metadata:
    """The ``metadata`` of an answer that JSON has decoded to ``content``. Never raises."""
    metadata = content.get("metadata") if isinstance(content, Mapping) else None
    return Metadata.model_validate(metadata) if isinstance(metadata, Mapping) else Metadata()


def request_id(headers: Mapping[str, str]) -> str | None:
    """The id under which the server logs this request, from an answer's headers."""
    return next((headers[name][:MAX_NAME] for name in REQUEST_ID_HEADERS if headers.get(name)), None)
