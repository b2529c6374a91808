"""What all tests may ask for: foreign peers, clips with numbered pictures, judges of files, empty databases.

Whatever is heavy to import is imported when a test first asks for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # `peers` is imported by tests and benchmarks alike

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from peers.gst import GstCamera
    from peers.material import Material
    from peers.postgres import PostgresServer


@pytest.fixture(autouse=True)
def _log_of_its_own() -> Iterator[None]:
    """Leave no test with the log of another, whose standard error is closed by then."""
    yield
    if (structlog := sys.modules.get("structlog")) is not None:
        structlog.reset_defaults()


@pytest.fixture(scope="session")
def material() -> Material:
    """The real clips, or rendered substitutes: `material.clip("street-cars.mp4")`, `material.real`."""
    from peers import material as peer

    return peer.find()


@pytest.fixture(scope="session")
def clip(material: Material) -> Callable[[str], Path]:
    """`clip("street-cars.mp4")`: the path of a real clip, or of its rendered substitute."""
    return material.clip


@pytest.fixture(scope="session")
def numbered_clip(material: Material) -> Callable[..., Path]:
    """`numbered_clip(width=..., fps=..., ...)`: pictures that carry numbers; what can be set: NumberedClip."""
    from peers.numbered import NumberedClip, rendered

    def make(**properties: Any) -> Path:
        return rendered(NumberedClip(**properties), material.cache)

    return make


@pytest.fixture(scope="session")
def read_numbers() -> Callable[[Path], list[int]]:
    """`read_numbers(path)`: the numbers of a file's pictures in the order of the screen."""
    from peers.numbered import read_numbers as peer

    return peer


@pytest.fixture
def gst_server() -> Iterator[Callable[..., GstCamera]]:
    """`gst_server([clip], mounts=3, user=..., password=...)`: GStreamer's RTSP server, running until the test ends."""
    from peers.gst import GstCamera

    with ExitStack() as running:

        def start(clips: list[Path], **options: Any) -> GstCamera:
            return running.enter_context(GstCamera(clips, **options))

        yield start


@pytest.fixture(scope="session")
def judge() -> Any:
    """FFmpeg's verdict on files: judge.plays, .complaints, .frames, .duration, .video, .packets."""
    from peers import judge as peer

    return peer


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of our own: `postgres.new_database()` returns the address of an empty database."""
    from peers.postgres import PostgresServer

    with PostgresServer() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database: every test that asks for it runs over SQLite and over PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'vonggac.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def browser() -> Iterator[Browser]:
    """Chromium without a window; a test that uses it is slow, and cannot call `asyncio.run` itself."""
    from peers.chromium import chromium

    with chromium() as running:
        yield running
