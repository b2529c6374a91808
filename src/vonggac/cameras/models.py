"""Table of the cameras."""

from __future__ import annotations

import uuid
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from vonggac.core.database import Base, Key, Moment, SortText
from vonggac.core.ids import new_id

KINDS = ("overview", "ptz", "plate")


class Camera(Base):
    """One camera. Its addresses are kept without credentials; those are sealed in `secret`."""

    __tablename__ = "camera"

    id: Mapped[uuid.UUID] = mapped_column(Key, primary_key=True, default=new_id)
    number: Mapped[int] = mapped_column(unique=True)
    """What an officer types to call it up; given once, never again to another camera."""
    name: Mapped[str] = mapped_column(sa.String(200))
    name_folded: Mapped[str] = mapped_column(sa.String(200), index=True)
    name_sort: Mapped[str] = mapped_column(SortText)
    folder: Mapped[str] = mapped_column(sa.String(64), unique=True)
    """`<slug>-<short id>`: its folder on every volume, kept when it is renamed."""
    unit_id: Mapped[uuid.UUID] = mapped_column(Key, sa.ForeignKey("unit.id"), index=True)
    kind: Mapped[str] = mapped_column(sa.String(16))
    url: Mapped[str] = mapped_column(sa.Text)
    sub_url: Mapped[str] = mapped_column(sa.Text, default="")
    onvif_url: Mapped[str] = mapped_column(sa.Text, default="", server_default=sa.text("''"))
    """Address of its ONVIF device service; empty: it is not asked what it sees."""
    secret: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    """Sealed JSON `{"url": [user, password], "sub_url": …, "onvif_url": …}`, context `camera:<id>`."""
    transport: Mapped[str] = mapped_column(sa.String(8), default="tcp", server_default="tcp")
    """`tcp` (inside the RTSP connection) or `udp`: never changed but by hand."""
    tls_fingerprint: Mapped[str] = mapped_column(sa.String(95), default="", server_default=sa.text("''"))
    """SHA-256 of the one certificate that an rtsps:// camera may show, AB:CD:…; empty: any that this machine trusts."""
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    enabled: Mapped[bool] = mapped_column(default=True)
    min_days: Mapped[int | None]
    """Days its recordings are kept at least; None: the centre's (`[storage] min_days`), 0: no minimum."""
    max_days: Mapped[int | None]
    """Days after which they are deleted; None: the centre's (`[storage] max_days`), 0: when space is needed."""
    place: Mapped[str] = mapped_column(sa.Text, default="", server_default=sa.text("''"))
    """Where it hangs, in words that lead a technician there."""
    owner: Mapped[str] = mapped_column(sa.String(200), default="", server_default=sa.text("''"))
    """The organisation or post that it belongs to."""
    supplier: Mapped[str] = mapped_column(sa.String(200), default="", server_default=sa.text("''"))
    contract: Mapped[str] = mapped_column(sa.String(100), default="", server_default=sa.text("''"))
    guarantee_until: Mapped[date | None]
    """The last day of the supplier's guarantee."""
    certificate: Mapped[str] = mapped_column(sa.String(100), default="", server_default=sa.text("''"))
    """Number of its certificate of conformity with QCVN 135:2024/BTTTT (safety of IP cameras in networks)."""
    certificate_until: Mapped[date | None]
    installed_on: Mapped[date | None]
    remarks: Mapped[str] = mapped_column(sa.Text, default="", server_default=sa.text("''"))
    version: Mapped[int] = mapped_column(default=1, server_default=sa.text("1"))
    """Counts its changes, so that two people who edit it at the same time notice."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    removed_at: Mapped[datetime | None] = mapped_column(Moment)
    """A removed camera is not recorded and not listed; its recordings stay until their time is over."""


class CameraPicture(Base):
    """The picture that a camera showed when it was installed: what it sees now is compared with it.

    In the database, so that a backup holds it and every role on every machine can read it; a table of its own, since
    nobody who lists cameras wants some hundred kilobytes of each.
    """

    __tablename__ = "camera_picture"

    camera_id: Mapped[uuid.UUID] = mapped_column(Key, sa.ForeignKey("camera.id"), primary_key=True)
    jpeg: Mapped[bytes] = mapped_column(sa.LargeBinary, deferred=True)
    taken_at: Mapped[datetime] = mapped_column(Moment)
    """When it was taken; of an uploaded picture, when that was done."""
    origin: Mapped[str] = mapped_column(sa.String(8))
    """`camera`: taken from its stream; `upload`: somebody's file."""
