"""What an error says, and what it does not."""

from __future__ import annotations

import json

import pytest

from nodes import errors
from nodes.errors import Charged, LumenfallError

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
    }


def test_without_a_hint_nothing_hangs_over() -> None:
    error = errors.InputError("No mask.", charged=Charged.UNKNOWN)
    assert str(error) == "No mask.\n[INVALID_INPUT | may have been charged]"
