"""Tables of the media index: volumes, recordings, gaps, what each camera does now, what each hour holds.

All times are microseconds since 1970 in UTC; all media times 90 kHz ticks.
"""

from __future__ import annotations

import enum
import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from vonggac.core.database import Base, Key, Moment, RowId


class RecordingState(enum.IntEnum):
    """How far a recording's row is to be believed."""

    OPEN = 0
    """Being written (or left so by a crash): the file knows more than the row."""
    COMPLETE = 1
    """Written, synced, and described by the row to the byte."""
    RECOVERED = 2
    """Complete after start-up cut its torn tail."""


class GapReason(enum.StrEnum):
    """Why there is no video."""

    REFUSED = "refused"
    UNAUTHORISED = "unauthorised"
    NOT_FOUND = "not_found"
    TIMED_OUT = "timed_out"
    STALLED = "stalled"
    NO_KEY_FRAME = "no_key_frame"
    CLOSED = "closed"
    PROTOCOL = "protocol"
    UNSUPPORTED = "unsupported"
    UNTRUSTED = "untrusted"
    LOSS = "loss"
    CLOCK_SET = "clock_set"
    DISK = "disk"
    VOLUME_LOST = "volume_lost"
    STOPPED = "stopped"
    CRASHED = "crashed"
    DISABLED = "disabled"
    EXPIRED = "expired"
    """There was video, and retention deleted it: told by a timeline, never stored as a gap."""
    UNKNOWN = "unknown"


class Volume(Base):
    """A folder for recordings; a file in it carries the same id, so that an unmounted disk is noticed."""

    __tablename__ = "volume"

    id: Mapped[uuid.UUID] = mapped_column(Key, primary_key=True)
    path: Mapped[str] = mapped_column(sa.Text)
    created_at: Mapped[datetime] = mapped_column(Moment)


class Recording(Base):
    """One file: about a minute of one camera that begins with a key frame."""

    __tablename__ = "recording"
    __table_args__ = (
        sa.Index("ix_recording_camera_start", "camera_id", "start_us"),
        sa.Index(
            "ix_recording_open",
            "id",
            sqlite_where=sa.text("state = 0"),
            postgresql_where=sa.text("state = 0"),
        ),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    camera_id: Mapped[uuid.UUID] = mapped_column(Key, sa.ForeignKey("camera.id"))
    volume_id: Mapped[uuid.UUID] = mapped_column(Key, sa.ForeignKey("volume.id"))
    path: Mapped[str] = mapped_column(sa.Text)
    """Relative to the volume."""
    state: Mapped[int] = mapped_column(sa.SmallInteger)
    run: Mapped[int] = mapped_column(sa.BigInteger)
    """Number of the uninterrupted run: the wall time at which it began. Media time runs on within a run."""
    start_us: Mapped[int] = mapped_column(sa.BigInteger)
    end_us: Mapped[int | None] = mapped_column(sa.BigInteger)
    """When the last picture ended by the wall clock; None while open."""
    media_start: Mapped[int] = mapped_column(sa.BigInteger)
    media_duration: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    codec: Mapped[str] = mapped_column(sa.String(32))
    """As in RFC 6381: avc1.4d401f."""
    audio: Mapped[str] = mapped_column(sa.String(32), default="", server_default=sa.text("''"))
    """The same of its track of sound: mp4a.40.2; empty without one."""
    width: Mapped[int]
    height: Mapped[int]
    init_size: Mapped[int]
    size: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    frames: Mapped[int] = mapped_column(default=0)
    lost_packets: Mapped[int] = mapped_column(default=0)
    clock_offset_us: Mapped[int | None] = mapped_column(sa.BigInteger)
    """Camera's clock minus ours, from its RTCP sender reports; None when it sends none."""
    groups: Mapped[bytes | None] = mapped_column(sa.LargeBinary, deferred=True)
    """Packed table of its groups of pictures (video.mp4.group_table); None while open."""
    sha256: Mapped[bytes | None] = mapped_column(sa.LargeBinary(32))
    """Of the file's bytes, taken when it was held and complete. A file that has one is evidence: never mended."""


class Gap(Base):
    """An interval without video of a camera that should have been recorded, and why."""

    __tablename__ = "gap"
    __table_args__ = (
        sa.Index("ix_gap_camera_start", "camera_id", "start_us"),
        sa.Index("ix_gap_camera_end", "camera_id", "end_us"),
        sa.Index(
            "ix_gap_open",
            "camera_id",
            sqlite_where=sa.text("end_us IS NULL"),
            postgresql_where=sa.text("end_us IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    camera_id: Mapped[uuid.UUID] = mapped_column(Key, sa.ForeignKey("camera.id"))
    start_us: Mapped[int] = mapped_column(sa.BigInteger)
    end_us: Mapped[int | None] = mapped_column(sa.BigInteger)
    reason: Mapped[str] = mapped_column(sa.String(16))
    detail: Mapped[str] = mapped_column(sa.Text, default="")


class CameraStatus(Base):
    """What a camera does now, as its recorder last said: one row a camera, replaced every few seconds."""

    __tablename__ = "camera_status"

    camera_id: Mapped[uuid.UUID] = mapped_column(Key, sa.ForeignKey("camera.id"), primary_key=True)
    recorder: Mapped[str] = mapped_column(sa.String(32))
    state: Mapped[str] = mapped_column(sa.String(16))
    """`recording`, `connecting` or `away`."""
    reason: Mapped[str] = mapped_column(sa.String(16), default="")
    """A GapReason while away."""
    detail: Mapped[str] = mapped_column(sa.Text, default="")
    """The same in plain words, without credentials."""
    since_us: Mapped[int] = mapped_column(sa.BigInteger)
    updated_us: Mapped[int] = mapped_column(sa.BigInteger)
    codec: Mapped[str] = mapped_column(sa.String(32), default="")
    audio: Mapped[str] = mapped_column(sa.String(200), default="", server_default=sa.text("''"))
    """What sound it offers, and whether that is recorded, in plain words; empty where none is known of."""
    width: Mapped[int] = mapped_column(default=0)
    height: Mapped[int] = mapped_column(default=0)
    fps: Mapped[float] = mapped_column(default=0.0)
    bits_per_s: Mapped[float] = mapped_column(default=0.0)
    frames: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    lost_packets: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    reconnects: Mapped[int] = mapped_column(default=0)
    passed_us: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    """Time since this camera was first to be recorded, or 24 hours if that is longer ago."""
    recorded_us: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    """How much of `passed_us` is on disk."""
    clock_offset_us: Mapped[int | None] = mapped_column(sa.BigInteger)
    """Camera's clock minus ours, by its last sender report; None when it says nothing of its clock."""


class RecordedHour(Base):
    """How much of an hour is on disk, added up when a recording is completed: sums without reading a million rows."""

    __tablename__ = "recorded_hour"

    camera_id: Mapped[uuid.UUID] = mapped_column(Key, sa.ForeignKey("camera.id"), primary_key=True)
    hour_us: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    recorded_us: Mapped[int] = mapped_column(sa.BigInteger)
    size: Mapped[int] = mapped_column(sa.BigInteger)


class Still(Base):
    """The last still of a camera, and until when somebody wants fresh ones.

    In the database, since the page, the keeper and the recorder need not share a disk; some kilobytes a camera.
    """

    __tablename__ = "still"

    camera_id: Mapped[uuid.UUID] = mapped_column(Key, sa.ForeignKey("camera.id"), primary_key=True)
    wanted_until_us: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    taken_us: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    """When the picture arrived at the recorder; 0 before the first."""
    jpeg: Mapped[bytes | None] = mapped_column(sa.LargeBinary, deferred=True)


class Hold(Base):
    """An interval of a camera that retention must not touch, also one that lies in the future."""

    __tablename__ = "hold"
    __table_args__ = (
        sa.Index(
            "ix_hold_active",
            "camera_id",
            sqlite_where=sa.text("released_at IS NULL"),
            postgresql_where=sa.text("released_at IS NULL"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(Key, primary_key=True)
    camera_id: Mapped[uuid.UUID] = mapped_column(Key, sa.ForeignKey("camera.id"))
    from_us: Mapped[int] = mapped_column(sa.BigInteger)
    to_us: Mapped[int] = mapped_column(sa.BigInteger)
    subject: Mapped[str] = mapped_column(sa.String(200), index=True)
    """What it is held for: a reference that means something to whoever placed it."""
    reason: Mapped[str] = mapped_column(sa.Text, default="")
    placed_by: Mapped[str] = mapped_column(sa.String(200))
    placed_at: Mapped[datetime] = mapped_column(Moment)
    released_at: Mapped[datetime | None] = mapped_column(Moment)
    released_by: Mapped[str] = mapped_column(sa.String(200), default="")
    release_reason: Mapped[str] = mapped_column(sa.Text, default="")


class Garbage(Base):
    """A file whose recording is deleted and which may still lie on its volume."""

    __tablename__ = "garbage"
    __table_args__ = (sa.Index("ix_garbage_volume_path", "volume_id", "path"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    volume_id: Mapped[uuid.UUID] = mapped_column(Key, sa.ForeignKey("volume.id"))
    path: Mapped[str] = mapped_column(sa.Text)
    """Relative to the volume."""
    size: Mapped[int] = mapped_column(sa.BigInteger)
    noted_at: Mapped[datetime] = mapped_column(Moment)


class Expired(Base):
    """An interval whose recordings retention deleted. Neighbours are one row: as many rows as there are gaps."""

    __tablename__ = "expired"

    camera_id: Mapped[uuid.UUID] = mapped_column(Key, sa.ForeignKey("camera.id"), primary_key=True)
    start_us: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    end_us: Mapped[int] = mapped_column(sa.BigInteger)
    days: Mapped[int]
    """How old they were when they were deleted, in whole days; true to a day where neighbours were joined."""


class KeeperClock(Base):
    """One row: what the keeper last saw of the server's clock, and whether it is doubted (`retention.clock_watch`)."""

    __tablename__ = "keeper_clock"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seen_us: Mapped[int] = mapped_column(sa.BigInteger)
    before_us: Mapped[int | None] = mapped_column(sa.BigInteger)
    until_us: Mapped[int | None] = mapped_column(sa.BigInteger)


class Bookmark(Base):
    """A moment or an interval of a camera that somebody noted something about."""

    __tablename__ = "bookmark"
    __table_args__ = (sa.Index("ix_bookmark_camera_at", "camera_id", "at_us"),)

    id: Mapped[uuid.UUID] = mapped_column(Key, primary_key=True)
    camera_id: Mapped[uuid.UUID] = mapped_column(Key, sa.ForeignKey("camera.id"))
    account_id: Mapped[uuid.UUID] = mapped_column(Key, sa.ForeignKey("account.id"), index=True)
    at_us: Mapped[int] = mapped_column(sa.BigInteger)
    to_us: Mapped[int | None] = mapped_column(sa.BigInteger)
    """Where the interval ends; None for a moment."""
    note: Mapped[str] = mapped_column(sa.String(500))
    note_folded: Mapped[str] = mapped_column(sa.Text)
    made_at: Mapped[datetime] = mapped_column(Moment)
