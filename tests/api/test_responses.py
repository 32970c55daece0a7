"""Answers of every shape, good and bad."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes import errors
from nodes.api import Picture, read_answer
from nodes.api.responses import read_balance, read_dry_run
from nodes.errors import AnswerError, ApiError, Charged, ConnectionFailed, DryRunCharged, LumenfallError

B64 = base64.b64encode(b"picture").decode()


def body(content: Any) -> bytes:
    return json.dumps(content).encode()


def test_a_full_answer_is_read() -> None:
    answer = read_answer(
        200,
        {"x-lumenfall-request-id": "req_header"},
        body(
            {
                "id": "req_body",
                "data": [{"url": "https://media/1"}, {"b64_json": B64, "revised_prompt": "better"}],
                "metadata": {
                    "executed_model": "vertex/m",
                    "provider": "vertex",
                    "provider_name": "Vertex AI",
                    "cost": 0.04,
                    "cost_currency": "USD",
                    "attempts": [{"anything": 1}],
                },
            }
        ),
    )
    assert answer.pictures == (Picture(url="https://media/1"), Picture(content=b"picture"))
    assert (answer.request_id, answer.executed_model, answer.provider) == ("req_header", "vertex/m", "Vertex AI")
    assert (answer.cost, answer.currency, answer.revised_prompts) == (0.04, "USD", ("better",))


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        "text",
        [],
        {"cost": "n/a"},
        {"cost": True},
        {"cost": float("inf")},
        {"cost": None, "provider": 5},
        {"executed_model": ["x"]},
    ],
)
def test_odd_metadata_never_costs_a_picture(metadata: Any) -> None:
    answer = read_answer(200, {}, body({"data": [{"b64_json": B64}], "metadata": metadata, "created": "soon"}))
    assert answer.pictures == (Picture(content=b"picture"),) and answer.cost is None


@pytest.mark.parametrize(
    "item", [{"b64_json": f"data:image/png;base64,{B64}"}, {"url": f"data:image/png;base64,{B64}"}]
)
def test_data_addresses_are_read(item: dict[str, str]) -> None:
    assert read_answer(200, {}, body({"data": [item]})).pictures == (Picture(content=b"picture"),)


@pytest.mark.parametrize("written", ["aGk/aGk", "aGk_aGk", "aGk/\naGk=", "data:image/png;base64,aGk/aGk="])
def test_base64_is_read_in_every_spelling(written: str) -> None:
    assert read_answer(200, {}, body({"data": [{"b64_json": written}]})).pictures[0].content == b"hi?hi"


def test_a_link_stands_in_for_damaged_base64() -> None:
    answer = read_answer(200, {}, body({"data": [{"b64_json": "!!", "url": "https://media/1"}]}))
    assert answer.pictures == (Picture(url="https://media/1"),)


@pytest.mark.parametrize(("cost", "charged"), [(0.1, Charged.YES), (0, Charged.NO), (None, Charged.UNKNOWN)])
def test_an_error_inside_a_success_believes_the_cost_beside_it(cost: float | None, charged: Charged) -> None:
    content = {"error": {"code": "CONTENT_POLICY_VIOLATION", "message": "no"}, "data": [{}], "metadata": {"cost": cost}}
    with pytest.raises(errors.ContentPolicyViolation) as caught:
        read_answer(200, {}, body(content))
    assert caught.value.charged is charged


def test_an_error_beside_pictures_is_a_note() -> None:
    answer = read_answer(200, {}, body({"data": [{"b64_json": B64}], "error": {"message": "1 of 2 failed"}}))
    assert len(answer.pictures) == 1 and "1 of 2 failed" in answer.notes[0]


@pytest.mark.parametrize("bad", [{}, "x", {"b64_json": "???"}, {"b64_json": "abcde"}, {"url": None}, None])
def test_a_bad_picture_among_good_ones_becomes_a_note(bad: Any) -> None:
    answer = read_answer(200, {}, body({"data": [bad, {"b64_json": B64}]}))
    assert len(answer.pictures) == 1
    assert answer.notes[0].startswith("Picture 1 of the answer cannot be used")


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b'{"data": [', b"[]", b"{}", body({"data": None}), body({"data": []}), body({"data": "x"})],
)
def test_a_success_without_pictures_is_an_error_with_an_address(content: bytes) -> None:
    with pytest.raises(AnswerError) as caught:
        read_answer(200, {"x-lumenfall-request-id": "req_1"}, content)
    assert caught.value.request_id == "req_1"
    assert caught.value.charged is Charged.UNKNOWN


def test_a_success_without_pictures_but_with_a_cost_was_charged() -> None:
    with pytest.raises(AnswerError) as caught:
        read_answer(200, {}, body({"data": [], "metadata": {"cost": 0.1}}))
    assert caught.value.charged is Charged.YES


SMALL = {"cost": 0.04, "cost_currency": "USD"}


@pytest.mark.parametrize(
    ("content", "pictures", "cost"),
    [
        (b'{"data": [{"url": "https://1"}, {"url": "https://2"}, {"url": "htt', 2, None),
        (b'{"data": [{"url": "https://1"}', 1, None),
        (b'{"data":[{"url":"https://1"}],"metadata":{"cost":0.04,"cost_currency":"USD"},"x', 1, 0.04),
        (b'{"metadata": {"cost": 0.04}, "data": [{"url": "https://1"}, ', 1, 0.04),
        (b'{"metadata": {"cost": 0.04}, "data": [{"url": "https://1"}], "metadata2": {"co', 1, 0.04),
        (b'{"data": [{"url": "https://1"}], "metadata": {"cost": 0.0', 1, None),
        (b'{"id": "\\"data\\": [{}]", "data": [{"url": "https://1"}], ', 1, None),
        (b'{"metadata": {"data": [{}, {}]}, "data": [{"url": "https://1"}], ', 1, None),
        (b'\xef\xbb\xbf{"data": [{"url": "https://1"}], ', 1, None),
        (b'{"data": [{"url": "https://1"}]} and then some', 1, None),
        (b'{"data": [{"url": "https://1"}, {"url": "https://\xff"}]}', 2, None),
        (b'{"data": [{"url": "https://1"}, ' + b"[" * 99_999, 1, None),
    ],
)
def test_whole_pictures_of_a_broken_answer_are_saved(content: bytes, pictures: int, cost: float | None) -> None:
    for broken, reason in ((None, "broke off;"), ("it did not end", "broke off (it did not end);")):
        answer = read_answer(200, {}, content, broken)
        assert len(answer.pictures) == answer.entries == pictures and answer.cost == cost
        saved = "1 picture of it" if pictures == 1 else "2 pictures of it"
        assert answer.notes == (f"The answer {reason} {saved} could be saved.",)


@pytest.mark.parametrize(
    "content",
    [
        b'{"data": [{"url": "https://1"',
        b'{"id": "\\"data\\": [{}]", "da',
        b'{"error": {"data": [{}]',
        b'{"data"',
        b'["data", [{}]',
    ],
)
def test_nothing_is_made_up_of_a_broken_answer(content: bytes) -> None:
    for broken, kind in ((None, AnswerError), ("it did not end", ConnectionFailed)):
        with pytest.raises(kind) as caught:
            read_answer(200, {"x-lumenfall-request-id": "req_1"}, content, broken)
        assert caught.value.request_id == "req_1" and caught.value.charged is Charged.UNKNOWN


_values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), st.lists)
_tricks = st.sampled_from(['"data": [{"url": "https://no"}]', '[{"', "\\", "\u00e4", "\U0001f600", "}", ""])
_entries = st.lists(
    st.fixed_dictionaries({"url": _tricks.map("https://{}".format), "revised_prompt": _tricks | _values})
)
# What json.dumps writes after the last entry of a list at the end of an object.
_CLOSING = {None: "]}", 1: "\n ]\n}"}


@given(
    st.dictionaries(_tricks, _values | _entries, max_size=2),
    _entries,
    st.dictionaries(st.sampled_from(["metadata", "size", "data2"]), _values | st.just(SMALL)),
    st.sampled_from([None, 1]),
    st.booleans(),
    st.data(),
)
def test_an_answer_may_be_cut_anywhere(
    before: dict[str, Any], entries: list[Any], after: dict[str, Any], indent: int | None, escaped: bool, data: Any
) -> None:
    def write(value: Any) -> str:
        return json.dumps(value, indent=indent, ensure_ascii=escaped)

    text = write({**before, "data": entries, **after}).encode()
    shorter = [write({**before, "data": entries[: n + 1]}).removesuffix(_CLOSING[indent]) for n in range(len(entries))]
    ends = [len(prefix.encode()) for prefix in shorter]
    cut = data.draw(st.integers(0, len(text)) | st.sampled_from([0, *ends]))
    whole = sum(end <= cut for end in ends)
    try:
        answer = read_answer(200, {}, text[:cut])
    except LumenfallError:
        assert whole == 0
    else:
        assert [picture.url for picture in answer.pictures][:whole] == [entry["url"] for entry in entries[:whole]]


@pytest.mark.parametrize(
    "content",
    [
        {"error": {"message": "why", "code": "MODEL_NOT_FOUND"}},
        {"error": {"message": "why", "error_code": "MODEL_NOT_FOUND"}},
        {"error_code": "MODEL_NOT_FOUND", "message": "why"},
        {"error": "why", "code": "MODEL_NOT_FOUND"},
    ],
)
def test_known_shapes_of_an_error_also_inside_a_200(content: dict[str, Any]) -> None:
    with pytest.raises(errors.ModelUnavailable, match="why"):
        read_answer(200, {}, body(content))


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.sampled_from(["error", "data", "metadata", "message", "code", "url", "b64_json", "id", "detail"]), x
            )
        ),
    )
)
def test_no_answer_raises_anything_but_our_errors(content: Any) -> None:
    for status in (200, 400, 500):
        try:
            read_answer(status, {}, json.dumps(content).encode())
        except LumenfallError as error:
            assert str(error)


def test_an_estimate_is_in_dollars() -> None:
    dry_run = read_dry_run(200, {}, body({"estimated": True, "total_cost_micros": 80000, "currency": "USD"}))
    assert dry_run.cost == 0.08


@pytest.mark.parametrize(
    "content",
    [
        {"total_cost_micros": 1},
        {"estimated": False, "total_cost_micros": 1},
        {"estimated": True},
        {"data": [1]},
        {"estimated": True, "total_cost_micros": 1, "data": []},
    ],
)
def test_what_is_no_estimate_is_not_believed(content: dict[str, Any]) -> None:
    with pytest.raises(AnswerError):
        read_dry_run(200, {}, body(content))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("text/event-stream; charset=utf-8", 'event: image_generation.completed\ndata: {"b64_json": "iVBOR"}\n\n'),
        ("Text/Event-Stream", "event: started\n\n"),
        ("text/plain", '{"b64_json": "iVBOR"}\n{"b64_json": "iVBOR"}\n'),
        ("application/json", '[{"b64_json": "iVBOR"}]'),
        ("application/json", '{"result": {"picture": "data:image/png;base64,iVBOR"}}'),
        ("text/html", '<img src="data:image/png;base64,iVBOR">'),
    ],
)
def test_a_dry_run_that_brings_pictures_in_whatever_shape_was_an_order(kind: str, text: str) -> None:
    with pytest.raises(DryRunCharged):
        read_dry_run(200, {"content-type": kind}, text.encode())


def test_an_estimate_may_quote_what_was_asked() -> None:
    told = {"estimated": True, "total_cost_micros": 80000, "currency": "USD", "response_format": "b64_json"}
    assert read_dry_run(200, {}, body(told)).cost == 0.08


def test_a_balance_may_be_unavailable() -> None:
    content = {"object": "balance", "billing_type": "postpaid", "available": {"amount": None, "currency": "usd"}}
    balance = read_balance(200, {}, body(content))
    assert balance.amount is None and balance.currency == "USD"


def test_errors_do_not_show_where_the_pack_is_installed() -> None:
    for kind in (AnswerError, ApiError, errors.InputError):
        assert kind.__module__ == "lumenfall"


@pytest.mark.parametrize("status", [200, 500])
def test_a_flood_of_empty_entries_is_told_in_a_few_words(status: int) -> None:
    flood = body({"data": [{}] * 300_000})
    with pytest.raises(errors.AnswerError) as caught:
        read_answer(status, {}, flood, most=10)
    assert len(caught.value.message) < 300 and "neither url nor b64_json" in caught.value.message


@pytest.mark.parametrize("name", ["provider", "executed_model", "cost_currency"])
def test_half_a_character_in_a_name_can_be_written_down(name: str) -> None:
    """In a report as in the ledger."""
    body = json.dumps({"data": [{"url": "https://a"}], "metadata": {"cost": 1, name: "half \ud83d"}}).encode()
    answer = read_answer(200, {}, body)
    assert {"provider": answer.provider, "executed_model": answer.executed_model, "cost_currency": answer.currency}[
        name
    ] == "half ?"


def test_what_an_answer_says_of_itself_is_kept_in_measure() -> None:
    metadata = {"provider": "p" * 10**6, "executed_model": "m" * 10**6}
    answer = read_answer(200, {}, body({"id": "r" * 10**6, "data": [{"url": "https://m/1"}], "metadata": metadata}))
    assert max(len(text or "") for text in (answer.request_id, answer.provider, answer.executed_model)) <= 200
