"""What tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from peers.stored_archive import StoredArchive
from vonggac.core import schema
from vonggac.core.database import Database


@pytest.fixture
def stored(database_url: str, tmp_path: Path) -> Iterator[Callable[..., StoredArchive]]:
    """`stored(cameras=2, volumes=1)`: an archive on disk, over both databases."""
    database = Database(database_url)
    schema.upgrade(database)
    yield lambda **options: StoredArchive(database, tmp_path, **options)
    database.close()
