"""Which roles run where: a row each, renewed while the role lives, so that the others find its address."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from vonggac.core.clock import utc_now
from vonggac.core.database import Base, Moment
from vonggac.core.eventlog import announce

RENEW_S = 10.0
ALIVE_FOR = timedelta(seconds=35)
"""A row not renewed for so long belongs to a role that is gone."""


class RoleRow(Base):
    """One running role."""

    __tablename__ = "role"

    name: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    host: Mapped[str] = mapped_column(sa.String(255))
    pid: Mapped[int]
    address: Mapped[str] = mapped_column(sa.Text, default="")
    """Where it serves live and recorded media: `unix:PATH` here, `tls:HOST:PORT` elsewhere."""
    metrics: Mapped[str] = mapped_column(sa.Text, default="")
    started_at: Mapped[datetime] = mapped_column(Moment)
    renewed_at: Mapped[datetime] = mapped_column(Moment)


def appear(session: Session, name: str, *, address: str = "", metrics: str = "") -> None:
    """Note that this process is the role `name` from now on."""
    now = utc_now()
    session.merge(
        RoleRow(
            name=name,
            host=socket.gethostname(),
            pid=os.getpid(),
            address=address,
            metrics=metrics,
            started_at=now,
            renewed_at=now,
        )
    )
    announce(session, "role.started", name=name)


def renew(session: Session, name: str) -> None:
    """Say that the role still lives; call it every RENEW_S."""
    session.execute(sa.update(RoleRow).where(RoleRow.name == name).values(renewed_at=utc_now()))


def disappear(session: Session, name: str) -> None:
    """Note that the role ended by itself."""
    forget(session, name, os.getpid())
    announce(session, "role.stopped", name=name)


def forget(session: Session, name: str, pid: int) -> None:
    """Delete the row of a role that ended on this host, unless another process is that role by now."""
    session.execute(
        sa.delete(RoleRow).where(RoleRow.name == name, RoleRow.pid == pid, RoleRow.host == socket.gethostname())
    )


def alive(session: Session, prefix: str = "") -> list[RoleRow]:
    """Return the roles that were renewed lately, those whose name begins with `prefix`."""
    query = sa.select(RoleRow).where(
        RoleRow.renewed_at > utc_now() - ALIVE_FOR, RoleRow.name.startswith(prefix, autoescape=True)
    )
    return list(session.scalars(query.order_by(RoleRow.name)))
