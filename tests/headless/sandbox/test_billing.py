from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import httpx

from nodes.headless.sandbox import Charge, Sandbox

Post = Callable[..., httpx.Response]


def test_the_bill_is_what_the_answers_say(sandbox: Sandbox, generate: Post, edit: Post) -> None:
    answers = [
        generate(n=3),
        edit(),
        edit(model="real-esrgan", scale_factor="2"),
        generate(model="seedream-4.5"),
        generate(model="fal/flux.2-pro"),
    ]
    costs = [Decimal(cost) for cost in ("0.159", "0.053", "0.002", "0.01", "0.03")]
    assert sandbox.bill == [Charge(answer.json()["id"], cost) for answer, cost in zip(answers, costs, strict=True)]
    assert [answer.json()["metadata"]["cost"] for answer in answers] == [float(cost) for cost in costs]
    assert sandbox.billed == Decimal("0.254")
    assert sandbox.account.balance == Decimal("9.746")


def test_the_balance(native: httpx.Client, generate: Post) -> None:
    generate()
    assert native.get("/balance").json() == {
        "object": "balance",
        "billing_type": "prepaid",
        "available": {"amount": 9.947, "currency": "usd"},
    }


def test_a_dry_run_costs_nothing(sandbox: Sandbox, http: httpx.Client) -> None:
    body = {"model": "fal/gpt-image-2", "prompt": "a fox", "n": 2}
    estimate = http.post("/images/generations", params={"dryRun": "true"}, json=body).json()
    assert estimate["estimated"] is True
    assert (estimate["model"], estimate["provider"]) == ("gpt-image-2", "fal")
    assert estimate["total_cost_micros"] == 106_000 and estimate["currency"] == "USD"
    assert estimate["components"][0]["unit_price"] == 0.053
    assert "data" not in estimate
    assert sandbox.bill == []


def test_a_dry_run_validates(http: httpx.Client, png: Callable[..., bytes]) -> None:
    files = {"image": ("i.png", png())}
    for prompt, status in (("a fox", 200), ("", 400)):
        form = {"model": "gpt-image-2", "prompt": prompt}
        assert http.post("/images/edits?dryRun=true", data=form, files=files).status_code == status


def test_many_at_once_are_all_billed(sandbox: Sandbox, generate: Post) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda seed: generate(seed=seed), range(16)))
    assert sorted(sandbox.bill) == sorted(Charge(answer.json()["id"], Decimal("0.053")) for answer in answers)
