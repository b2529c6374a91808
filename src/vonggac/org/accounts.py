"""Accounts: who may come in, what he may do, and the sessions that remember that he did.

The browser holds a random token, the database only its SHA-256: whoever reads the database cannot act as anybody.
Functions take a session and never commit.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.core.text import fold, normalise
from vonggac.org.models import Account, LoginSession
from vonggac.org.passwords import hash_password, verify_password

ABSOLUTE = timedelta(hours=16)
"""A log-in ends after this long: a shift of twelve hours, its handover, and some."""
IDLE = timedelta(hours=2)
"""A log-in that asks for nothing ends after this long (an open page asks every few seconds)."""
SEEN_EVERY = timedelta(minutes=1)
"""How exactly it is noted when a session was last used: not every request costs a write."""
SESSIONS_EACH = 20
"""Sessions one account may hold; the oldest ends when one more is opened."""


@dataclass(frozen=True, slots=True)
class NewSession:
    """What the browser gets."""

    token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is logged in, for the length of a request."""

    account_id: uuid.UUID
    name: str
    administrator: bool
    csrf_token: str = field(repr=False)
    session_key: bytes = field(repr=False)
    """Hash of the session's token: names the session where the token must not be known."""

    def may(self, verb: str, unit_id: uuid.UUID | None = None) -> bool:
        """Return whether this account may do `verb` on a unit and what is below it (None: somewhere at all).

        The one place that answers. Until there are roles, an administrator may do everything and nobody else anything.
        """
        return self.administrator


def authenticate(session: Session, name: str, password: str) -> Account | None:
    """Return the account if the password is its own.

    An unknown name costs the same work as a wrong password, so that names cannot be found out by the time it takes.
    """
    account = session.scalar(sa.select(Account).where(Account.name_folded == fold(name)[:100]))
    stored = _nobody() if account is None else account.password_hash
    fits = verify_password(stored, password)
    return account if fits else None


def open_session(session: Session, account: Account, address: str, now: datetime) -> NewSession:
    """Log an account in."""
    token = secrets.token_urlsafe(32)
    held = session.scalars(
        sa.select(LoginSession.token_hash)
        .where(LoginSession.account_id == account.id)
        .order_by(LoginSession.created_at.desc())
        .offset(SESSIONS_EACH - 1)
    ).all()
    if held:
        session.execute(sa.delete(LoginSession).where(LoginSession.token_hash.in_(held)))
    session.add(
        LoginSession(
            token_hash=_hash(token),
            account_id=account.id,
            csrf_token=secrets.token_urlsafe(24),
            created_at=now,
            seen_at=now,
            expires_at=now + ABSOLUTE,
            address=normalise(address)[:64],
        )
    )
    return NewSession(token, now + ABSOLUTE)


def visitor(session: Session, token: str, now: datetime) -> tuple[Visitor, datetime] | None:
    """Return who holds a token and when he was last seen; None when it is unknown, expired or long unused."""
    return visitor_by_key(session, _hash(token), now)


def visitor_by_key(session: Session, key: bytes, now: datetime) -> tuple[Visitor, datetime] | None:
    """Return the same by the session's key: whether a stream that is open may stay so."""
    found = session.execute(
        sa.select(LoginSession, Account)
        .join(Account, Account.id == LoginSession.account_id)
        .where(LoginSession.token_hash == key, LoginSession.expires_at > now, LoginSession.seen_at > now - IDLE)
    ).first()
    if found is None:
        return None
    login, account = found
    return Visitor(account.id, account.name, account.administrator, login.csrf_token, key), login.seen_at


def note_seen(session: Session, key: bytes, now: datetime) -> None:
    """Note that a session is in use."""
    session.execute(sa.update(LoginSession).where(LoginSession.token_hash == key).values(seen_at=now))


def close_session(session: Session, key: bytes) -> None:
    """Log out."""
    session.execute(sa.delete(LoginSession).where(LoginSession.token_hash == key))


def purge_sessions(session: Session, now: datetime, limit: int = 500) -> int:
    """Delete a slice of the sessions that are over; returns how many."""
    over = (
        sa.select(LoginSession.token_hash)
        .where(sa.or_(LoginSession.expires_at <= now, LoginSession.seen_at <= now - IDLE))
        .limit(limit)
    )
    return int(
        getattr(session.execute(sa.delete(LoginSession).where(LoginSession.token_hash.in_(over))), "rowcount", 0)
    )


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


@cache
def _nobody() -> str:
    return hash_password(secrets.token_urlsafe(24))
