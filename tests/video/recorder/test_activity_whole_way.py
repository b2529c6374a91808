"""Foreign cameras, a real recorder and keeper: where something moves there are rows, before a still scene none but
what the camera itself says by ONVIF; the pages' JSON has both."""

from __future__ import annotations

import asyncio
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from vonggac.cameras.models import Camera
from vonggac.core.clock import utc_now
from vonggac.org.models import Account
from vonggac.org.passwords import hash_password
from vonggac.shell.bundle import Bundle
from vonggac.sim.onvif import OnvifCamera, OnvifServer
from vonggac.video.activity import Activity
from vonggac.web.application import make_application

PASSWORD = "một mật khẩu dài"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def clip(path: Path, *scenes: tuple[str, int]) -> Path:
    """A clip of ffmpeg's own pictures, coded as a camera would: by quality, a key frame a second."""
    inputs: list[str] = []
    for picture, seconds in scenes:
        inputs += ["-f", "lavfi", "-t", str(seconds), "-i", f"{picture}=size=320x180:rate=15"]
    joined = f"concat=n={len(scenes)}:v=1,noise=alls=4:allf=t"
    coding = "-c:v libx264 -preset ultrafast -crf 26 -bf 0 -g 15 -keyint_min 15 -sc_threshold 0 -pix_fmt yuv420p"
    whole = path.with_suffix(".whole.mp4")
    command = ["ffmpeg", "-nostdin", "-v", "error", *inputs, "-filter_complex", joined, *coding.split(), "-y", whole]
    subprocess.run(command, check=True, timeout=60)
    # An encoder that has just begun makes other sizes: at the seam of the loop that would be something that happens.
    cut = ["ffmpeg", "-nostdin", "-v", "error", "-ss", "5", "-i", whole, "-c", "copy", "-y", path]
    subprocess.run(cut, check=True, timeout=60)
    return path


@contextmanager
def onvif(camera: OnvifCamera) -> Iterator[tuple[str, Callable[[bool], None]]]:
    """A camera's service on a thread: its address, and how to say that something moves."""
    loop = asyncio.new_event_loop()
    server = OnvifServer({1: camera})
    threading.Thread(target=loop.run_forever, daemon=True).start()
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
    yield server.address(1), lambda moves: loop.call_soon_threadsafe(camera.move, moves) and None
    asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)


async def told(database: Any, settings: Any) -> list[tuple[str, str]]:
    """What the pages' JSON says to somebody who has logged in."""
    with database.write() as session:
        hashed = hash_password(PASSWORD)
        session.add(
            Account(name="a1", name_folded="a1", password_hash=hashed, administrator=True, created_at=utc_now())
        )
    bundle = Bundle(dict.fromkeys(("main.js", "style.css", "icon.svg"), b""))
    application = make_application(settings, database, CollectorRegistry(), bundle=bundle)
    transport = httpx.ASGITransport(application, client=("192.0.2.7", 40000))
    async with httpx.AsyncClient(transport=transport, base_url="http://centre.test") as client:
        page = (await client.get("/login")).text
        token = re.search(r'name="csrf" value="([^"]+)"', page)
        assert token is not None
        await client.post("/login", data={"name": "a1", "password": PASSWORD, "csrf": token[1]})
        return [(one["name"], one["source"]) for one in (await client.get("/api/activity")).json()["items"]]


def test_what_moves_leaves_rows_what_stands_still_none_and_what_a_camera_says_itself_is_heard(
    centre: Any, gst_server: Any, tmp_path: Path
) -> None:
    moving = clip(tmp_path / "moving.mp4", ("smptebars", 40), ("testsrc2", 8))
    standing = clip(tmp_path / "standing.mp4", ("smptebars", 40))
    busy, still = gst_server([moving]), gst_server([standing])
    centre.add_camera("Busy", busy.url(1))
    centre.add_camera("Still", still.url(1))

    def rows() -> set[tuple[str, str]]:
        with centre.database.read() as session:
            query = sa.select(Camera.name, Activity.source).join(Activity, Activity.camera_id == Camera.id)
            return {(name, source) for name, source in session.execute(query)}

    camera = OnvifCamera()
    with onvif(camera) as (address, move):
        centre.command("camera", "edit", "2", "--onvif-url", address, "--data", str(centre.path))
        centre.environment["VONGGAC_METRICS_KEEPER_PORT"] = "-1"
        centre.start()
        centre.start_beside("keeper")
        centre.wait_until(lambda: "PullMessages" in camera.asked, "the keeper to ask the camera")
        move(True)
        centre.wait_until(lambda: ("Still", "onvif") in rows(), f"the camera's word; {centre.said()}")
        move(False)
        deadline = time.monotonic() + 150  # the meter first learns for half a minute what is usual
        while ("Busy", "sizes") not in rows():
            assert time.monotonic() < deadline, centre.said()
            time.sleep(0.2)
        centre.end_beside()
    assert centre.end() == 0
    assert rows() == {("Busy", "sizes"), ("Still", "onvif")}
    said = asyncio.run(told(centre.database, centre.folder.settings))
    assert set(said) == rows()
