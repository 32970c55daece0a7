"""Calls to rows and back."""

from __future__ import annotations

import calendar
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from . import postgresql
from .calls import OPEN, Call, State, this_machine
from .damage import UnreadableRow
from .sums import book, follow, followed, shares

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Select

    from .database import Database

log = logging.getLogger(__name__)

_ORDER = list(State)


def behind(connection: Connection, records: Sequence[Call]) -> tuple[list[Call], bool]:
    """Those of ``records`` that the database does not know, or not as far, oldest first; and whether it does not know
    one of them.
    """
    import sqlalchemy as sa

    from .tables import calls, pictures

    if not records:
        return [], False
    known = (
        sa.select(calls.c.id, calls.c.state, sa.func.count(pictures.c.number))
        .outerjoin(pictures, pictures.c.call_id == calls.c.id)
        .where(calls.c.id.in_([call.id for call in records]))
        .group_by(calls.c.id, calls.c.state)
    )
    rows = {call_id: (_state(state), count) for call_id, state, count in connection.execute(known)}
    missed = [call for call in records if call.id not in rows or _is_further(call, *rows[call.id])]
    return sorted(missed, key=lambda call: call.sent_at), any(call.id not in rows for call in missed)


def _state(name: str) -> State:
    try:
        return State(name)
    except ValueError as error:
        raise UnreadableRow(str(error)) from error


def _is_further(call: Call, state: State, pictures: int) -> bool:
    mine, its = _ORDER.index(call.state), _ORDER.index(state)
    return mine > its or (mine == its and len(call.pictures) > pictures)


def known_finished(connection: Connection) -> set[str]:
    """The ids of the calls for which nothing is to be done any more."""
    import sqlalchemy as sa

    from .tables import calls

    # Two queries, each of which an index answers alone.
    ids = set(connection.execute(sa.select(calls.c.id)).scalars())
    return ids.difference(connection.execute(sa.select(calls.c.id).where(_is_open())).scalars())


def _is_open() -> ColumnElement[bool]:
    """Something is still to be done for the call."""
    from .tables import calls

    return calls.c.state.in_([state.value for state in OPEN])


def are_finished(connection: Connection, call_ids: Sequence[str]) -> bool:
    """Whether all these calls are known, and nothing is to be done for them any more."""
    if not call_ids:
        return True
    return bool(connection.execute(_finished(), {"call_ids": call_ids}).scalar() == len(call_ids))


@cache
def _finished() -> Any:
    import sqlalchemy as sa

    from .tables import calls

    call_ids: Any = sa.bindparam("call_ids", expanding=True)
    return sa.select(sa.func.count()).select_from(calls).where(calls.c.id.in_(call_ids), ~_is_open())


def finished_in(connection: Connection, month: str) -> int:
    """How many calls of a ``<year>-<month>`` of UTC have a record that was put away."""
    import sqlalchemy as sa

    from .tables import calls

    year, number = map(int, month.split("-"))
    first = calendar.timegm((year, number, 1, 0, 0, 0))
    after = calendar.timegm((year + number // 12, number % 12 + 1, 1, 0, 0, 0))
    has_record = ~_is_open() & (calls.c.state != State.REFUSED.value)
    query = sa.select(sa.func.count()).where(has_record, calls.c.sent_at >= first, calls.c.sent_at < after)
    return int(connection.execute(query).scalar_one())


@cache
def of_keys() -> Select[Any]:
    """The calls for any of ``keys`` that were not refused, the last one first."""
    import sqlalchemy as sa

    from .tables import calls, further_keys

    keys: Any = sa.bindparam("keys", expanding=True)
    named = sa.select(further_keys.c.call_id).where(further_keys.c.key.in_(keys))
    found = calls.c.key.in_(keys) | calls.c.id.in_(named)
    query = sa.select(calls).where(found, calls.c.state != State.REFUSED.value)
    return query.order_by(calls.c.number.desc())


@cache
def _ids_of_keys() -> Select[Any]:
    from .tables import calls

    return of_keys().with_only_columns(calls.c.id)


def ids_of_keys(connection: Connection, keys: Sequence[str]) -> set[str]:
    """The ids of the calls for any of ``keys`` that were not refused."""
    return set(connection.execute(_ids_of_keys(), {"keys": keys}).scalars())


def refused(connection: Connection, call_ids: Sequence[str]) -> set[str]:
    """Those of the calls that are known as refused."""
    import sqlalchemy as sa

    from .tables import calls

    query = sa.select(calls.c.id).where(calls.c.id.in_(call_ids), calls.c.state == State.REFUSED.value)
    return set(connection.execute(query).scalars())


def last_entered(connection: Connection, among: Sequence[str] | None = None) -> str | None:
    """The id of the call, of these or of all, for which nothing is to be done any more and that was entered last."""
    import sqlalchemy as sa

    from .tables import calls

    query = sa.select(calls.c.id).where(~_is_open())
    if among is not None:
        query = query.where(calls.c.id.in_(among))
    found: str | None = connection.execute(query.order_by(calls.c.number.desc()).limit(1)).scalar()
    return found


def enter(connection: Connection, call: Call) -> None:
    """Insert ``call``, or bring its row up to it, and the sums with it; a row that is further is left alone."""
    do = _statements()
    columns = call.columns()
    if connection.dialect.name == "postgresql":
        columns = postgresql.fitting(connection, columns)
    of_call = {"of_call": call.id}
    row = connection.execute(do.look_up, of_call).mappings().first()
    # What a version without this column entered has an empty one, which the database takes from nobody any more.
    columns["worker"] = columns["worker"] or (this_machine() if row is None else row["worker"])
    if row is None:
        connection.execute(do.insert, columns)
        if call.further_keys:
            connection.execute(do.insert_keys, [{"call_id": call.id, "key": key} for key in call.further_keys])
    elif _ORDER.index(_state(row["state"])) > _ORDER.index(call.state):
        return
    else:
        if row["is_outdated"]:
            follow(connection, call.id)
        changed = {name: value for name, value in columns.items() if name != "delivered_at"}
        connection.execute(do.update, {**changed, **of_call})
        followed(connection, call.id)
        if row["stored"]:
            connection.execute(do.drop_pictures, of_call)
    if call.pictures:
        connection.execute(do.insert_pictures, [{"call_id": call.id, **asdict(each)} for each in call.pictures])
    before = {} if row is None else shares({**row}, row["stored"])
    book(connection, before, shares(columns, len(call.pictures)))


def enter_each(connection: Connection, calls: Iterable[Call]) -> set[str]:
    """Enter what can be entered: one odd record must not stand in the way of the others. The ids of those that the
    database does not take for now, as where its disk is full.
    """
    import sqlalchemy as sa

    left = set()
    for call in calls:
        try:
            with connection.begin_nested():
                enter(connection, call)
        except Exception as error:
            # Its text would be the statement, with all that was asked for.
            log.warning("The record of call %s cannot be entered (%s)", call.id, type(error).__name__)
            is_denied = postgresql.is_denied(getattr(error, "orig", None))
            if is_denied or isinstance(error, (sa.exc.OperationalError, sa.exc.InternalError)):
                left.add(call.id)
    return left


@dataclass(frozen=True)
class _Statements:
    """Of :func:`enter`. Building them takes longer than running them, and each call is entered several times."""

    look_up: Any
    insert: Any
    insert_keys: Any
    update: Any
    drop_pictures: Any
    insert_pictures: Any


@cache
def _statements() -> _Statements:
    import sqlalchemy as sa

    from .tables import calls, further_keys, outdated, pictures

    of_call: Any = sa.bindparam("of_call")
    stored = sa.select(sa.func.count()).where(pictures.c.call_id == of_call).scalar_subquery()
    is_outdated = sa.exists().where(outdated.c.call_id == of_call)
    return _Statements(
        sa.select(*_slim(), stored.label("stored"), is_outdated.label("is_outdated")).where(calls.c.id == of_call),
        sa.insert(calls),
        sa.insert(further_keys),
        sa.update(calls).where(calls.c.id == of_call),
        sa.delete(pictures).where(pictures.c.call_id == of_call),
        sa.insert(pictures),
    )


def read_calls(connection: Connection, chosen: Select[Any], parameters: Mapping[str, Any] | None = None) -> list[Call]:
    """The calls that ``chosen``, a selection of whole rows of ``calls``, finds with these ``parameters``, in its order
    and with their pictures. Three queries however many, and one where there are none.
    """
    import sqlalchemy as sa

    from .tables import calls, further_keys, pictures

    rows: list[Any] = list(connection.execute(chosen, parameters).mappings())
    if not rows:
        return []
    ids = chosen.with_only_columns(calls.c.id).subquery()
    brought = sa.select(pictures).join(ids, ids.c.id == pictures.c.call_id).order_by(pictures.c.number)
    stored: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in connection.execute(brought, parameters).mappings():
        picture = dict(row)
        stored[picture.pop("call_id")].append(picture)
    keys: dict[str, list[str]] = defaultdict(list)
    further = sa.select(further_keys).join(ids, ids.c.id == further_keys.c.call_id)
    for call_id, key in connection.execute(further, parameters):
        keys[call_id].append(key)
    try:
        return [Call.from_dict({**row, "pictures": stored[row["id"]], "further_keys": keys[row["id"]]}) for row in rows]
    except ValueError as error:
        raise UnreadableRow(str(error)) from error


def read_paged(
    database: Callable[[], Database],
    by: Literal["sent_at", "used_at"],
    conditions: Sequence[ColumnElement[bool]],
    size: int,
) -> Iterator[Call]:
    """The calls for which ``conditions`` hold, without their graphs, the earliest first; there may be any number of
    them, so ``size`` are read at a time, each time from ``database()``.
    """
    import sqlalchemy as sa

    from .tables import calls

    place: tuple[float, str] | None = None
    while True:
        chosen = sa.select(*_slim()).where(*conditions).order_by(calls.c[by], calls.c.number).limit(size)
        if place is not None:
            number = sa.select(calls.c.number).where(calls.c.id == place[1]).scalar_subquery()
            later = sa.tuple_(calls.c[by], calls.c.number) > sa.tuple_(sa.literal(place[0]), number)
            chosen = chosen.where(later)
        with database().read() as connection:
            page = read_calls(connection, chosen)
        yield from page
        if len(page) < size:
            return
        place = (getattr(page[-1], by), page[-1].id)


def _slim() -> list[ColumnElement[Any]]:
    """The columns of ``calls`` without the graph, which may be large."""
    from .tables import calls

    return [column for column in calls.c if column.name != "graph"]


def is_shared(connection: Connection, sha256: str) -> bool:
    """Whether a call names the picture with this content."""
    import sqlalchemy as sa

    from .tables import pictures

    query = sa.select(sa.func.count()).select_from(pictures).where(pictures.c.sha256 == sha256)
    return bool(connection.execute(query).scalar())
