"""Who owes what, in exact decimals."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from .refusal import Refusal

STARTING_BALANCE = Decimal(10)
MICROS = 1_000_000


class Charge(NamedTuple):
    """A line of the bill, in USD."""

    request_id: str
    cost: Decimal


class Account:
    """A prepaid balance and the bill of everything taken from it."""

    def __init__(self) -> None:
        self.balance = STARTING_BALANCE
        self.bill: list[Charge] = []

    def require(self, cost: Decimal) -> None:
        """Refuse before any work is done, as a prepaid account does."""
        if cost > self.balance:
            raise Refusal("INSUFFICIENT_BALANCE", f"Insufficient balance: required {cost}, available {self.balance}.")

    def charge(self, request_id: str, cost: Decimal) -> None:
        self.balance -= cost
        self.bill.append(Charge(request_id, cost))

    def as_dict(self) -> dict[str, Any]:
        """The answer of ``GET /v1/balance``."""
        available = {"amount": float(self.balance), "currency": "usd"}
        return {"object": "balance", "billing_type": "prepaid", "available": available}


def estimate(model: str, provider: str, price: Decimal, n: int) -> dict[str, Any]:
    """The answer to a dry run. ``unit_price`` is dollars while the totals are micros, as in the real one."""
    micros = int(price * n * MICROS)
    component = {
        "type": "output",
        "metric": "image",
        "quantity": n,
        "billable_quantity": n,
        "unit_price": float(price),
        "total_cost": micros,
    }
    return {
        "estimated": True,
        "model": model,
        "provider": provider,
        "total_cost_micros": micros,
        "currency": "USD",
        "components": [component],
    }
