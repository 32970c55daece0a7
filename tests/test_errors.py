"""What an error says, and that it is built once: what changes is a copy."""

from __future__ import annotations

import json

import pytest

from nodes import errors
from nodes.errors import Charged, ContentPolicyViolation, InputError, LumenfallError, worst_of
from nodes.headless.problems import Problem, WorkflowError


def raised(error: LumenfallError, cause: Exception) -> LumenfallError:
    try:
        raise error from cause
    except LumenfallError as caught:
        return caught


@pytest.mark.parametrize(
    "error",
    [
        ContentPolicyViolation("No.", hint="Other words.", request_id="r1", status=400),
        WorkflowError([Problem("code", "wrong")]),  # which is made of something else than a message
    ],
)
def test_a_copy_says_something_else_and_is_the_same_error(error: LumenfallError) -> None:
    cause = ValueError("why")
    error = raised(error, cause)
    before = (error.hint, error.charged)
    copy = error.replaced(hint="Try again.", charged=Charged.YES)
    assert type(copy) is type(error) and copy.__cause__ is cause and copy.__traceback__ is error.__traceback__
    assert copy.as_dict() == {**error.as_dict(), "hint": "Try again.", "charged": "charged"}
    assert "Try again." in str(copy) and copy.args == error.args
    assert (error.hint, error.charged) == before


def test_the_error_that_may_have_cost_most_speaks_for_all_and_leaves_them_as_they_are() -> None:
    free, costly = InputError("First.", hint="Mend it."), LumenfallError("Second.", charged=Charged.UNKNOWN)
    worst = worst_of([free, costly])
    assert worst.message == "Second." and worst.hint == "Another request failed too: First. Mend it."
    assert (free.hint, costly.hint) == ("Mend it.", "")


def test_what_several_have_in_common_is_said_once() -> None:
    hint = "The same inputs are not sent again by themselves."
    worst = LumenfallError("Sent before.", hint=hint, charged=Charged.UNKNOWN)
    others = [LumenfallError("Refused.", hint=each) for each in (hint, hint, "Mend it.")]
    told = "2 other requests failed too: Refused. Another request failed too: Refused. Mend it."
    assert worst_of([worst, *others]).hint == f"{hint} {told}"


KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, LumenfallError)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_code_of_its_own_and_a_line_in_the_tree(kind: type[LumenfallError]) -> None:
    assert [other for other in KINDS if other.default_code == kind.default_code] == [kind]
    assert f"{kind.__name__} " in f"{errors.__doc__}".replace("\n", " ")


def test_people_and_machines_read_the_same() -> None:
    error = errors.DownloadError("It broke off.", hint="Try again.", request_id="req_1", status=502)
    assert str(error) == "It broke off. Try again.\n[DOWNLOAD_FAILED | request req_1 | charged]"
    assert json.loads(json.dumps(error.as_dict())) == {
        "code": "DOWNLOAD_FAILED",
        "message": "It broke off.",
        "hint": "Try again.",
        "request_id": "req_1",
        "status": 502,
        "charged": "charged",
        "call": None,
    }


def test_without_a_hint_nothing_hangs_over() -> None:
    error = errors.InputError("No mask.", charged=Charged.UNKNOWN)
    assert str(error) == "No mask.\n[INVALID_INPUT | may have been charged]"
