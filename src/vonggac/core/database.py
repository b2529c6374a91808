"""The database: SQLite by default, PostgreSQL by one setting; transactions that say whether they write.

Domain services take a `Session` and never commit. Whoever opens the transaction (a request, a command, a task)
does, by leaving `Database.write()`. Nothing here may be called on an event loop: use `Database.run`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator

from vonggac.core.clock import microseconds, utc
from vonggac.core.text import SORT_KEY_LENGTH

P = ParamSpec("P")
T = TypeVar("T")

BUSY_TIMEOUT_MS = 10_000
"""How long SQLite waits for another writer. No transaction of ours is meant to take over 10 ms."""
PING_AFTER_S = 1.0
"""A connection to PostgreSQL that was used so recently is taken to live: at worst one transaction fails and says so."""


class Base(DeclarativeBase):
    """The tables of all packages: one metadata, one migration history."""

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Key(TypeDecorator[uuid.UUID]):
    """A UUID: native in PostgreSQL, 16 bytes in SQLite (a third of its text)."""

    impl = sa.LargeBinary(16)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(sa.Uuid())
        return dialect.type_descriptor(sa.LargeBinary(16))

    def process_bind_param(self, value: uuid.UUID | None, dialect: sa.Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return value.bytes

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> uuid.UUID | None:
        if value is None or isinstance(value, uuid.UUID):
            return value
        return uuid.UUID(bytes=bytes(value))


class Moment(TypeDecorator[datetime]):
    """An aware time, stored as integer microseconds since 1970 in UTC by both databases."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else microseconds(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else utc(value)


RowId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""Key of rows that come by the million; SQLite counts up only a column of the type INTEGER."""


SortText = sa.String(SORT_KEY_LENGTH).with_variant(sa.String(SORT_KEY_LENGTH, collation="C"), "postgresql")
"""A column of `text.sort_key`: compared by code point, whatever the database's own language is."""


class Database:
    """One database: reading and writing transactions, from threads or through `run` from an event loop."""

    def __init__(self, url: str, *, threads: int = 2) -> None:
        self.url = sa.make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self.engine = sa.create_engine(
                self.url,
                connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False},
                pool_size=threads + 2,
            )
            sa.event.listen(self.engine, "connect", _prepare_sqlite)
            sa.event.listen(self.engine, "begin", _begin_sqlite)
        else:
            self.engine = sa.create_engine(
                self.url,
                pool_size=threads + 2,
                connect_args={"connect_timeout": 10, "options": "-c statement_timeout=60000"},
            )
            _ping_after_rest(self.engine)
        self._writing = self.engine.execution_options(vonggac_write=True)
        # SQLite's transactions are one picture anyway; PostgreSQL's only from this level on.
        self._reading = (
            self.engine
            if self.is_sqlite
            else self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        )
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="database")

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a transaction that only reads: one consistent picture, waits for nobody."""
        with Session(self._reading, autoflush=False, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a transaction that may write; it commits when the block ends well, else leaves no trace."""
        with Session(self._writing, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def begin_write(self) -> Iterator[sa.Connection]:
        """Open a writing transaction below the level of sessions, for migrations and bulk work."""
        with self._writing.begin() as connection:
            yield connection

    async def run(self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do `work(session, ...)` in a writing transaction on a thread: the event loop never waits."""

        def call() -> T:
            with self.write() as session:
                return work(session, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    async def query(self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do `work(session, ...)` in a reading transaction on a thread."""

        def call() -> T:
            with self.read() as session:
                return work(session, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    def close(self) -> None:
        """Finish what runs and close every connection."""
        self._executor.shutdown(wait=True)
        self.engine.dispose()


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver must not begin transactions by itself: `_begin_sqlite` says which kind.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-4096"):
        connection.execute(f"PRAGMA {pragma}")


def _ping_after_rest(engine: sa.Engine) -> None:
    """Have a connection that rested asked whether it still lives before it is used; a dead one is made anew.

    SQLAlchemy's `pool_pre_ping` asks before every transaction, which is half of the round trips of a short one.
    """
    dialect = engine.dialect

    def note_use(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info["used_at"] = time.monotonic()

    def ping(connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: object) -> None:
        used_at = record.info.get("used_at")
        if used_at is None or time.monotonic() - used_at < PING_AFTER_S:
            return
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            raise sa.exc.DisconnectionError from error

    sa.event.listen(engine, "checkin", note_use)
    sa.event.listen(engine, "checkout", ping)


def _begin_sqlite(connection: sa.Connection) -> None:
    # A writer takes the lock at once: upgrading a reading transaction later can fail without a wait.
    writes = connection.get_execution_options().get("vonggac_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
