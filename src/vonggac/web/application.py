"""The application: the doors of all packages put together.

Starlette alone, the ground that FastAPI stands on: our doors decide who comes in and msgspec reads what is sent, so
that nothing of FastAPI would be in use but its 16 MB of private memory (after a fork from the supervisor, 2026-11-24:
17 MB against 33 MB). `FastAPI(routes=...)` takes the same routes, should its typed bodies ever be wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry
from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from vonggac.core.clock import Clock, SystemClock
from vonggac.core.database import Database
from vonggac.core.errors import NotFound
from vonggac.core.secrets import SecretBox
from vonggac.core.settings import Settings
from vonggac.shell import pages
from vonggac.shell.bundle import Bundle
from vonggac.shell.doors import check_routes
from vonggac.shell.headers import SecurityHeaders
from vonggac.shell.stream import EventStream
from vonggac.shell.templates import make_templates
from vonggac.shell.visit import Shell
from vonggac.web import (
    account_pages,
    activity_pages,
    bookmark_pages,
    camera_list,
    camera_new,
    camera_pages,
    camera_pictures,
    clip_pages,
    health_pages,
    playback_media,
    playback_pages,
    playback_times,
    still_pages,
    wall_pages,
)
from vonggac.web.camera_checks import Checks
from vonggac.web.figures import AnswersCounted, StreamCollector
from vonggac.web.live import doors as live_doors
from vonggac.web.live.relay import LiveCollector, Relay
from vonggac.web.live.rights import Rights

_HERE = Path(__file__).parent
BUNDLE = _HERE / "static" / "dist"

HEARD_BY: dict[str, str] = {
    "status.": "health.view",
    "gap.": "health.view",
    "camera.": "health.view",
    "unit.": "health.view",
    "role.": "health.view",
    "fault.": "health.view",
}
"""Prefixes of the topics that pages hear of, and the verb it takes; of all others they hear nothing."""


def make_application(
    settings: Settings,
    database: Database,
    registry: CollectorRegistry,
    *,
    clock: Clock | None = None,
    bundle: Bundle | None = None,
    open_box: Callable[[], SecretBox] | None = None,
    clips: Path | None = None,
) -> Starlette:
    """Return the application of a centre; its shared parts lie in `application.state.shell`.

    `open_box` returns what seals the passwords of cameras; without it none can be added or changed. `clips`: the folder
    in which the keeper puts clips.
    """
    packages = (
        pages,
        health_pages,
        account_pages,
        still_pages,
        live_doors,
        playback_media,
        playback_pages,
        playback_times,
        activity_pages,
        camera_list,
        wall_pages,
        camera_new,
        camera_pages,
        camera_pictures,
        clip_pages,
        bookmark_pages,
    )
    routes = [route for package in packages for route in package.doors.routes]
    application = Starlette(routes=routes)
    check_routes(application.routes)
    stream = EventStream(database, HEARD_BY)
    clock = clock or SystemClock()
    application.state.shell = Shell(
        settings=settings,
        database=database,
        clock=clock,
        bundle=bundle or Bundle.read(BUNDLE),
        templates=make_templates([_HERE / "templates"]),
        stream=stream,
        registry=registry,
    )
    # The menu leads to what there is.
    application.state.menu = {route.path for route in routes}
    application.state.clips_folder = clips or Path("clips")
    application.state.fetched = clip_pages.Fetched()
    application.state.wishes = still_pages.Wishes()
    application.state.playing = playback_media.Playing()
    application.state.live = relay = Relay(database, clock)
    application.state.live_rights = Rights(database, clock)
    application.state.open_box = open_box
    application.state.checks = Checks(settings.recorder)
    application.state.present_pictures = camera_pictures.PresentPictures()
    for kind in (HTTPException, NotFound, OperationalError, Exception):
        application.add_exception_handler(kind, pages.failed)
    registry.register(StreamCollector(stream))
    registry.register(LiveCollector(relay))
    application.add_middleware(AnswersCounted, registry=registry)
    application.add_middleware(SecurityHeaders)
    return application
