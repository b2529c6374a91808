"""The simulated district as one process: footage, cameras, server and commands put together."""

from __future__ import annotations

import asyncio
import itertools
import os
import resource
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec

from vonggac.sim import district, passes
from vonggac.sim.camera import Feed, SimCamera
from vonggac.sim.clips import Footage, load_folder
from vonggac.sim.control import ControlServer
from vonggac.sim.digest import Credentials
from vonggac.sim.plates import fleet
from vonggac.sim.rtsp_server import SimServer
from vonggac.sim.scenes.render import PassOf, Progress, Quality, scenes_footage
from vonggac.sim.track import Track

FILES_PER_CAMERA = 6
"""Open files: a recorder, viewers of both streams, and room for those who come back before the old one is gone."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What a program that started the district must know. `control` is the socket for `SimControl`."""

    address: str
    port: int
    cameras: int
    sub_streams: bool
    user: str
    control: str
    pid: int


@dataclass(frozen=True, slots=True)
class District:
    """What is served. `traffic` passes before the plate cameras of the drawn scenes."""

    cameras: Sequence[SimCamera]
    notes: Sequence[str] = ()
    traffic: passes.Traffic | None = None


def build_cameras(
    count: int, clips: Path | None = None, quality: Quality | None = None, progress: Progress | None = None
) -> District:
    """Return the district's cameras, each on its own phase, notes on clips that are odd, and the traffic.

    They play the files of the folder `clips` in turn, or the rendered scenes. Raises VonggacError.
    """
    places = district.cameras(count)
    has_gates = clips is None and any(place.scene == "gate" for place in places)
    vehicles = fleet(passes.SEED, passes.VEHICLES) if has_gates else []
    shown = [PassOf(vehicle, towards) for vehicle in vehicles for towards in (True, False)]
    if clips is not None:
        footage = load_folder(clips)
        names: Sequence[str] = [name for name, _ in zip(itertools.cycle(footage), places, strict=False)]
    else:
        names = [place.scene for place in places]
        footage = scenes_footage(tuple(dict.fromkeys(names)), quality, progress=progress, passes=shown)
    feeds = {name: _feeds(footage[name]) for name in dict.fromkeys(names)}
    cameras = [
        SimCamera(
            place.path,
            place.name,
            *feeds[name],
            phase=district.phase(number, feeds[name][0].track.clip.duration),
            unit=place.unit,
        )
        for number, (place, name) in enumerate(zip(places, names, strict=True))
    ]
    traffic = None
    if shown:
        traffic = passes.Traffic(passes.SEED, vehicles, places, cameras, (quality or Quality()).fps)
        traffic.splice_into(feeds["gate"], {(one.vehicle.number, one.towards): footage[one.name] for one in shown})
    return District(cameras, tuple(note for name in feeds for note in footage[name].main.notes), traffic)


def _feeds(footage: Footage) -> tuple[Feed, Feed | None]:
    return Feed(Track.of(footage.main)), Feed(Track.of(footage.sub)) if footage.sub is not None else None


async def serve(
    built: District,
    *,
    host: str,
    port: int,
    credentials: Credentials | None,
    control: Path,
    announce: Callable[[Ready], None],
    truth: Path | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, and write who passes the plate cameras to the file `truth`.

    `announce` is called once, when viewers may connect.
    """
    cameras = built.cameras
    allow_open_files(len(cameras) * FILES_PER_CAMERA + 64)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(SimServer(cameras, credentials=credentials, host=host, port=port))
        await stack.enter_async_context(ControlServer(server, control))
        announce(
            Ready(
                server.address,
                server.port,
                len(cameras),
                all(camera.sub is not None for camera in cameras),
                credentials.user if credentials else "",
                str(control),
                os.getpid(),
            )
        )
        work: list[Coroutine[object, object, object]] = [server.serve_forever(), stopping.wait()]
        if truth is not None and built.traffic is not None:
            work.append(passes.write_truth(built.traffic, server.now, truth))
        tasks = [asyncio.create_task(one) for one in work]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def write_ready_file(path: Path, ready: Ready) -> None:
    """Write what `announce` was told as one line of JSON; the file appears complete."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(msgspec.json.encode(ready) + b"\n")
    part.replace(path)


def allow_open_files(wanted: int) -> None:
    """Raise this process's limit of open files to what is wanted, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        ceiling = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, ceiling), hard))
