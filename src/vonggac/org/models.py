"""Tables of units, accounts and log-in sessions."""

from __future__ import annotations

import uuid
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from vonggac.core.database import Base, Key, Moment, SortText
from vonggac.core.ids import new_id


class Unit(Base):
    """A part of the administration: province, district, commune, station, neighbourhood group; kinds are data."""

    __tablename__ = "unit"

    id: Mapped[uuid.UUID] = mapped_column(Key, primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(sa.String(64), unique=True)
    """Short name for files and commands (a to z, 0 to 9, hyphens); the path is the codes from the root down."""
    name: Mapped[str] = mapped_column(sa.String(200))
    name_folded: Mapped[str] = mapped_column(sa.String(200), index=True)
    name_sort: Mapped[str] = mapped_column(SortText)
    kind: Mapped[str] = mapped_column(sa.String(32))
    parent_id: Mapped[uuid.UUID | None] = mapped_column(Key, sa.ForeignKey("unit.id"), index=True)
    valid_from: Mapped[date | None] = mapped_column(sa.Date)
    """First day on which it exists; None: always has."""
    valid_to: Mapped[date | None] = mapped_column(sa.Date)
    """First day on which it no longer exists; None: until further notice."""
    record_audio: Mapped[bool | None] = mapped_column(default=None)
    """Whether the sound of its cameras is recorded; None: as the unit above says, and without one not."""
    created_at: Mapped[datetime] = mapped_column(Moment)


class Account(Base):
    """Somebody who may log in."""

    __tablename__ = "account"

    id: Mapped[uuid.UUID] = mapped_column(Key, primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(sa.String(100))
    name_folded: Mapped[str] = mapped_column(sa.String(100), unique=True)
    password_hash: Mapped[str] = mapped_column(sa.String(200))
    administrator: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(Moment)


class LoginSession(Base):
    """One log-in: the browser holds the token, the database only its SHA-256."""

    __tablename__ = "login_session"

    token_hash: Mapped[bytes] = mapped_column(sa.LargeBinary(32), primary_key=True)
    account_id: Mapped[uuid.UUID] = mapped_column(Key, sa.ForeignKey("account.id", ondelete="CASCADE"), index=True)
    csrf_token: Mapped[str] = mapped_column(sa.String(64))
    created_at: Mapped[datetime] = mapped_column(Moment)
    seen_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)
    address: Mapped[str] = mapped_column(sa.String(64))
