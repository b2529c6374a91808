"""An archive on disk, an account that copies clips of it, and a keeper's job that makes them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from peers.stored_archive import MINUTE_US, NOW_US, StoredArchive, content
from vonggac.core import schema
from vonggac.core.clock import utc
from vonggac.core.database import Database
from vonggac.core.settings import ClipSettings, Settings, StorageSettings
from vonggac.org.models import Account
from vonggac.video.clips import service
from vonggac.video.clips.making import ClipMaking
from vonggac.video.clips.models import Clip
from vonggac.video.clips.service import Asked
from vonggac.video.models import Hold

SETTINGS = Settings(storage=StorageSettings(reserve_mb=16))
LENGTH_US = 10_000_000
"""Of one recording."""
FIRST_US = NOW_US - 600 * MINUTE_US


@dataclass
class Centre:
    """A database with an archive of ten short recordings of one camera; clips go into a folder of their own."""

    archive: StoredArchive
    folder: Path
    settings: Settings = SETTINGS
    account_ids: list[uuid.UUID] = field(default_factory=list)

    def __post_init__(self) -> None:
        with self.database.write() as session:
            accounts = [
                Account(name=name, name_folded=name, password_hash="x", created_at=utc(NOW_US))
                for name in ("an", "binh")
            ]
            session.add_all(accounts)
            session.flush()
            self.account_ids = [account.id for account in accounts]
        for number in range(10):
            self.archive.record(FIRST_US + number * LENGTH_US, lasts_us=LENGTH_US, data=content(10))

    @property
    def database(self) -> Database:
        return self.archive.database

    def wants(self, from_us: int = FIRST_US, to_us: int = FIRST_US + 3 * LENGTH_US, who: int = 0) -> Asked:
        return Asked(self.archive.camera_ids[0], self.account_ids[who], "an", from_us, to_us, "Vụ 17: va chạm ở chợ")

    def ask(self, asked: Asked | None = None, settings: ClipSettings | None = None) -> uuid.UUID:
        with self.database.write() as session:
            now_us = self.archive.clock.now_us()
            return service.ask(session, asked or self.wants(), now_us, settings or self.settings.clips).id

    def making(self, settings: Settings | None = None) -> ClipMaking:
        """A keeper's job as it is after its start."""
        chosen = settings or self.settings
        return ClipMaking(self.database, self.folder, chosen, self.archive.clock, CollectorRegistry())

    def clip(self, clip_id: uuid.UUID) -> Clip:
        with self.database.read() as session:
            return session.get_one(Clip, clip_id)

    def holds(self) -> list[Hold]:
        with self.database.read() as session:
            return list(session.scalars(sa.select(Hold).where(Hold.released_at.is_(None))))

    def files(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} if self.folder.exists() else set()


@pytest.fixture
def centre(database_url: str, tmp_path: Path) -> Iterator[Centre]:
    """The centre, over both databases."""
    database = Database(database_url)
    schema.upgrade(database)
    yield Centre(StoredArchive(database, tmp_path, cameras=1), tmp_path / "clips")
    database.close()


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """`small_pieces()`: from now on a round of the keeper writes one group of pictures, and no more."""

    def set_them() -> None:
        monkeypatch.setattr("vonggac.video.clips.making.SLICE_S", 0.0)

    return set_them
