"""The event log: what changed, written in the transaction that changed it, read by the other roles.

An event is never lost and never announced before it is true. Ids are given in commit order: SQLite has one writer at a
time; on PostgreSQL a transaction takes an advisory lock before its first insert and holds it until it commits.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Mapped, Session, mapped_column

from vonggac.core.backoff import BackOff
from vonggac.core.clock import utc_now
from vonggac.core.database import Base, Database, Key, Moment, RowId
from vonggac.core.log import get_logger

P = ParamSpec("P")
T = TypeVar("T")

_ADVISORY_LOCK = 0x766F6E67
_CHANNEL = "vonggac_event"


class EventRow(Base):
    """One thing that happened."""

    __tablename__ = "event"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(Moment, index=True)
    topic: Mapped[str] = mapped_column(sa.String(64))
    subject: Mapped[uuid.UUID | None] = mapped_column(Key)
    unit_id: Mapped[uuid.UUID | None] = mapped_column(Key)
    payload: Mapped[dict[str, Any]] = mapped_column(sa.JSON)


class SubscriberRow(Base):
    """How far a subscriber has read; moved in the transaction of the effect."""

    __tablename__ = "event_subscriber"

    name: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    last_id: Mapped[int] = mapped_column(RowId)
    moved_at: Mapped[datetime] = mapped_column(Moment)


@dataclass(frozen=True, slots=True)
class Event:
    """One event as a subscriber sees it."""

    id: int
    at: datetime
    topic: str
    subject: uuid.UUID | None
    unit_id: uuid.UUID | None
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """Events in commit order, and the position up to which the log was read (past events of other topics too)."""

    events: list[Event]
    position: int


class LogPruned(Exception):
    """The events after this position are gone: reload the state and go on from `latest`."""


def announce(
    session: Session,
    topic: str,
    *,
    subject: uuid.UUID | None = None,
    unit_id: uuid.UUID | None = None,
    **payload: Any,
) -> None:
    """Add an event to the transaction that makes it true.

    `topic` is "package.what" in the past tense ("camera.added"); `payload` is what JSON can hold. Call it late in the
    transaction: from here to its commit no other one can announce anything.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
        session.execute(sa.select(sa.func.pg_notify(_CHANNEL, "")))
    session.execute(
        sa.insert(EventRow).values(at=utc_now(), topic=topic, subject=subject, unit_id=unit_id, payload=payload)
    )


def latest(session: Session) -> int:
    """Return the id of the newest event, 0 before the first."""
    return session.scalar(sa.select(sa.func.max(EventRow.id))) or 0


def events_after(session: Session, last_id: int, topics: Sequence[str] = (), limit: int = 500) -> Batch:
    """Return events after `last_id` in commit order; LogPruned when some of them are gone (or may be).

    `topics` are prefixes ("camera." or "camera.added"); none means every topic.
    """
    newest = latest(session)
    first = session.scalar(sa.select(sa.func.min(EventRow.id)))
    if first is not None and last_id + 1 < first:
        raise LogPruned
    query = sa.select(EventRow).where(EventRow.id > last_id).order_by(EventRow.id).limit(limit)
    if topics:
        query = query.where(sa.or_(*(EventRow.topic.startswith(topic, autoescape=True) for topic in topics)))
    events = [Event(r.id, r.at, r.topic, r.subject, r.unit_id, r.payload) for r in session.scalars(query)]
    if len(events) == limit:
        return Batch(events, events[-1].id)
    return Batch(events, max([newest, last_id, *(event.id for event in events[-1:])]))


def subscriber_position(session: Session, name: str) -> int | None:
    """Return how far a named subscriber has read; None when it is new."""
    return session.scalar(sa.select(SubscriberRow.last_id).where(SubscriberRow.name == name))


def move_subscriber(session: Session, name: str, last_id: int) -> None:
    """Note, in the transaction of the effect, that a subscriber has dealt with everything up to `last_id`."""
    session.merge(SubscriberRow(name=name, last_id=last_id, moved_at=utc_now()))


def prune(session: Session, older_than: timedelta, limit: int = 1000) -> int:
    """Delete a slice of old events (never the newest one, which keeps the count going); returns how many."""
    doomed = (
        sa.select(EventRow.id)
        .where(
            EventRow.at < utc_now() - older_than,
            EventRow.id < sa.select(sa.func.max(EventRow.id)).scalar_subquery(),
        )
        .order_by(EventRow.id)
        .limit(limit)
    )
    result = session.execute(sa.delete(EventRow).where(EventRow.id.in_(doomed)))
    return int(getattr(result, "rowcount", 0))


async def changes(database: Database, poll_s: float = 0.02) -> AsyncGenerator[None, None]:
    """Yield whenever somebody may have committed: at once, then after every commit of any process.

    SQLite: `PRAGMA data_version` on a connection of its own, every `poll_s`. PostgreSQL: LISTEN, and once every
    30 s in case a notification was lost with a connection.
    """
    if database.is_sqlite:
        async for _ in _sqlite_changes(str(database.url.database), poll_s):
            yield
    else:
        async for _ in _postgresql_changes(database):
            yield


async def _sqlite_changes(path: str, poll_s: float) -> AsyncGenerator[None, None]:
    # The pragma reads one counter in shared memory (some microseconds), so it may run on the loop.
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        seen = None
        while True:
            version = connection.execute("PRAGMA data_version").fetchone()[0]
            if version != seen:
                seen = version
                yield
            await asyncio.sleep(poll_s)
    finally:
        connection.close()


async def _postgresql_changes(database: Database) -> AsyncGenerator[None, None]:
    import psycopg

    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    back_off = BackOff(1.0, 30.0)
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=10) as connection:
                await connection.execute(f"LISTEN {_CHANNEL}")
                back_off.reset()
                yield
                while True:
                    async for _ in connection.notifies(timeout=30, stop_after=1):
                        pass
                    yield
        except psycopg.OperationalError as error:
            pause_s = back_off.next()
            get_logger().warning(
                "The database sends no notifications", reason=" ".join(str(error).split()), again_in_s=round(pause_s, 1)
            )
            await asyncio.sleep(pause_s)


async def _patiently(
    database: Database, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
) -> T:
    back_off = BackOff(1.0, 30.0)
    while True:
        try:
            return await database.query(work, *args, **kwargs)
        except OperationalError as error:
            pause_s = back_off.next()
            reason = " ".join(str(error.orig).split())
            get_logger().warning("The event log cannot be read", reason=reason, again_in_s=round(pause_s, 1))
            await asyncio.sleep(pause_s)


async def follow(
    database: Database, topics: Sequence[str] = (), *, after: int | None = None, poll_s: float = 0.02
) -> AsyncGenerator[Event, None]:
    """Yield events as they are committed, from `after` on (None: only new ones); LogPruned when too far behind.

    For readers that need no memory across restarts (the browser's stream, a role that reloads at start). A database
    that is away for a while is waited for.
    """
    last_id = after if after is not None else await _patiently(database, latest)
    async with contextlib.aclosing(changes(database, poll_s)) as woken:
        async for _ in woken:
            while True:
                batch = await _patiently(database, events_after, last_id, topics)
                last_id = batch.position
                for event in batch.events:
                    yield event
                if not batch.events:
                    break
