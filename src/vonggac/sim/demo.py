"""`vonggac demo`: a simulated district and the centre that records it, with one command and nothing to configure."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import signal
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from zoneinfo import ZoneInfo

import click
import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.core import presence
from vonggac.core.clock import microseconds, utc, utc_now
from vonggac.core.database import Database
from vonggac.core.datafolder import DataFolder
from vonggac.core.errors import Invalid, VonggacError
from vonggac.core.settings import FILE_NAME
from vonggac.core.supervisor import NAME as SUPERVISOR
from vonggac.initialise import administrator, initialise
from vonggac.sim import district
from vonggac.sim.child import Child
from vonggac.sim.demo_past import make_past
from vonggac.sim.demo_registry import HOST, SimulatedCameras, add_units, match_cameras
from vonggac.video.models import CameraStatus

USER = "trucban1"
CAMERA_USER = "vonggac"
STATE_FILE = "demo.json"
LOG_FILE = "demo.log"
TRUTH_FILE = "passes.jsonl"
"""Who passed the plate cameras, as the simulator knows it."""
CENTRE_NAME = "Công an huyện Đức Trọng"
PREFERRED_PORT = 8080
PREFERRED_CAMERA_PORT = 8554
MANY_CAMERAS = 200
MANY_BIT_RATE = 500
"""With more cameras than that, each sends so many kbit/s only: 1,124 of them are 560 Mbit/s."""

_SIMULATOR_S = 900.0
"""The scenes are rendered at the first start: a minute or two on two cores, more where others work too."""
_RECORDING_S = 120.0
_TURN_S = 0.5


@dataclass(frozen=True, slots=True)
class DemoState:
    """What a demonstration keeps from start to start, in a file that only its owner may read."""

    password: str = field(repr=False)
    camera_password: str = field(repr=False)
    camera_port: int = PREFERRED_CAMERA_PORT


class _Stopped(Exception):
    """Ctrl-C or SIGTERM."""


@click.command()
@click.option(
    "--data",
    envvar="VONGGAC_DATA",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-data"),
    show_default=True,
    show_envvar=True,
    metavar="DIR",
    help="Folder of the demonstration: made at the first start, used again by the next.",
)
@click.option(
    "--cameras",
    "count",
    type=click.IntRange(1, district.CAMERAS_LIMIT),
    default=102,
    show_default=True,
    metavar="N",
    help="How many cameras to simulate.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    metavar="P",
    help=f"Port of the pages.  [default: {PREFERRED_PORT}, or a free one if that is taken]",
)
@click.option(
    "--clips",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Play the H.264 clips (.mp4, .mkv) of this folder instead of the drawn scenes.",
)
@click.option("--past/--no-past", default=True, show_default=True, help="Make up recordings since yesterday 00:00.")
def demo(data: Path, count: int, port: int | None, clips: Path | None, past: bool) -> None:
    """Try it: a simulated Đức Trọng district and the centre that records it, on this machine only.

    Starts the simulated cameras and the centre, waits until every camera is being recorded, prints one line

    \b
      ready URL user=NAME password=WORD

    and goes on until Ctrl-C. Everything listens on 127.0.0.1 only. So that there is something to play at once, the
    first nine cameras get recordings since yesterday 00:00 at the first start: small pictures of the same scenes, 1.5
    to 3 GB, made in some seconds; --no-past leaves them out. The recordings take about 50 GB an hour with 102
    cameras, and at one start at most half of the space that is free; then the oldest recordings are deleted.
    Delete the folder when you have seen enough.

    \b
    Examples:
      vonggac demo
      vonggac demo --cameras 12 --port 8090
      vonggac demo --clips ~/clips --data /tmp/demo
    """
    with contextlib.suppress(_Stopped), _stopping_on_signals():
        run(data, count, port, clips, past=past)


def run(data: Path, count: int, port: int | None, clips: Path | None, *, past: bool = True) -> None:
    """Run the demonstration until _Stopped is raised; VonggacError when something stands in its way."""
    started_us = microseconds(utc_now())
    web_port = choose_port(port)
    folder, state = prepare(data)
    with contextlib.ExitStack() as running:
        running.enter_context(folder.lock("demo"))
        with folder.lock(SUPERVISOR):
            pass  # a centre that runs here already is not ours to record into
        log = folder.path / LOG_FILE
        log.write_bytes(b"")
        drawn = "" if clips is not None else " Their scenes are drawn at the first start: a minute or two."
        _say(f"Starting {count} simulated cameras.{drawn}")
        simulator = running.enter_context(_simulator(folder, state, count, clips))
        simulated = _ready_simulator(simulator, folder, state, count)
        database = folder.database()
        running.callback(database.close)
        with database.write() as session:
            add_units(session)
            keys = match_cameras(session, folder.secret_box(), simulated)
        if past:
            _make_past(folder, database, count, clips)
        _say(f"Starting the centre in {folder.path}; its log is {log}.")
        centre = running.enter_context(_centre(folder, web_port, log))
        children = (simulator, centre)
        address = _wait_until_recorded(database, keys, started_us, children)
        _say(_space(folder))
        click.echo(f"ready {address}/ user={USER} password={state.password}")
        sys.stdout.flush()
        _say("Ctrl-C stops everything.")
        try:
            while True:
                for child in children:
                    child.check()
                time.sleep(_TURN_S)
        finally:
            _say("Stopping.")


def prepare(data: Path) -> tuple[DataFolder, DemoState]:
    """Return the demonstration's folder, made where it was not; Invalid when it is a real centre's."""
    path = data.resolve()
    state_path = path / STATE_FILE
    if not state_path.exists():
        if (path / FILE_NAME).exists():
            raise Invalid(
                f"{path} is a centre of its own and no demonstration. Choose another folder with --data, so that "
                "simulated cameras do not get into it."
            )
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if others := [entry.name for entry in path.iterdir() if not entry.name.startswith(STATE_FILE)]:
            raise Invalid(f"{path} holds other files ({others[0]}, …). Choose a new or an empty folder with --data.")
        save(path, DemoState(secrets.token_urlsafe(12), secrets.token_urlsafe(12)))
    try:
        state = DemoState(**json.loads(state_path.read_text("utf-8")))
    except (ValueError, TypeError):
        raise Invalid(f"{state_path} is damaged. Delete the folder {path} and start again.") from None
    admin = administrator(USER, state.password)
    initialise(path, centre_name="" if (path / FILE_NAME).exists() else CENTRE_NAME, admin=admin, beside=STATE_FILE)
    return DataFolder.open(path), state


def save(path: Path, state: DemoState) -> None:
    """Write the state file, whole or not at all."""
    draft = path / f"{STATE_FILE}.new"
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(state)), "utf-8")
    draft.rename(path / STATE_FILE)


def choose_port(wanted: int | None) -> int:
    """Return the port of the pages, 0 for any free one; VonggacError when the wanted one is taken."""
    if wanted is None:
        return PREFERRED_PORT if _free(PREFERRED_PORT) else 0
    if not _free(wanted):
        raise VonggacError(f"Port {wanted} is taken by another program. Choose another with --port, or leave it away.")
    return wanted


def _free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _simulator(folder: DataFolder, state: DemoState, count: int, clips: Path | None) -> Child:
    port = state.camera_port if _free(state.camera_port) else 0
    words = ["sim", "serve", "--data", str(folder.path), "--port", str(port), "--cameras", str(count)]
    words += ["--user", CAMERA_USER, "--password-env", "VONGGAC_DEMO_CAMERA_PASSWORD"]
    words += ["--truth", str(folder.path / TRUTH_FILE)]
    if clips is not None:
        words += ["--clips", str(clips)]
    elif count > MANY_CAMERAS:
        words += ["--bit-rate", str(MANY_BIT_RATE)]
    return Child("The simulator", words, {"VONGGAC_DEMO_CAMERA_PASSWORD": state.camera_password})


def _ready_simulator(simulator: Child, folder: DataFolder, state: DemoState, count: int) -> SimulatedCameras:
    ready = json.loads(simulator.read_line(_SIMULATOR_S))
    port = int(ready["address"].rpartition(":")[2])
    if port != state.camera_port:
        save(folder.path, DemoState(state.password, state.camera_password, port))
    return SimulatedCameras(ready["address"], CAMERA_USER, state.camera_password, count, bool(ready.get("sub_streams")))


def _make_past(folder: DataFolder, database: Database, count: int, clips: Path | None) -> None:
    zone, now_us = ZoneInfo(folder.settings.centre.zone), microseconds(utc_now())
    try:
        made = make_past(database, district.cameras(count), clips, zone, now_us, _say)
    except OSError as error:
        raise VonggacError(
            f"Recordings of yesterday cannot be written: {error.strerror}. Leave them out: --no-past"
        ) from error
    if made is not None:
        _say(f"{made.recordings} recordings, {made.size / 1e9:.1f} GB.")


def _centre(folder: DataFolder, port: int, log: Path) -> Child:
    environment = {
        "VONGGAC_WEB_HOST": HOST,
        "VONGGAC_WEB_PORT": str(port),
        "VONGGAC_METRICS_HOST": HOST,
        "VONGGAC_METRICS_RECORDER_PORT": "0",
        "VONGGAC_METRICS_KEEPER_PORT": "0",
        # Nobody wants a disk filled by trying something out.
        "VONGGAC_STORAGE_MIN_DAYS": "0",
        "VONGGAC_STORAGE_RESERVE_MB": str(max(1024, shutil.disk_usage(folder.path).free // 2_000_000)),
    }
    return Child("The centre", ["up", "--data", str(folder.path)], environment, log)


def _wait_until_recorded(database: Database, keys: set[uuid.UUID], since_us: int, children: Sequence[Child]) -> str:
    """Return the address of the pages once every camera is being recorded."""
    deadline_s = time.monotonic() + _RECORDING_S
    with _counting(len(keys)) as show:
        while True:
            for child in children:
                child.check()
            with database.read() as session:
                recorded = _recorded(session, keys, since_us)
                address = _web_address(session, since_us)
                if address and recorded == len(keys):
                    show(recorded)
                    return address
                if time.monotonic() > deadline_s:
                    raise VonggacError(_shortfall(session, keys, recorded, address))
            show(recorded)
            time.sleep(_TURN_S)


def _recorded(session: Session, keys: set[uuid.UUID], since_us: int) -> int:
    query = sa.select(CameraStatus.camera_id).where(
        CameraStatus.state == "recording", CameraStatus.updated_us >= since_us
    )
    return len(keys.intersection(session.scalars(query)))


def _web_address(session: Session, since_us: int) -> str:
    rows = [row for row in presence.alive(session, "web") if row.started_at >= utc(since_us)]
    return rows[0].address if rows else ""


def _shortfall(session: Session, keys: set[uuid.UUID], recorded: int, address: str) -> str:
    if not address:
        return f"The pages did not start within {_RECORDING_S:.0f} s. The log says why."
    query = sa.select(CameraStatus.detail).where(CameraStatus.camera_id.in_(keys), CameraStatus.state != "recording")
    reasons = [reason for reason in session.scalars(query.limit(1)) if reason]
    why = f" One of the others: {reasons[0]}" if reasons else ""
    return f"Only {recorded} of {len(keys)} cameras are recorded after {_RECORDING_S:.0f} s.{why}"


@contextlib.contextmanager
def _counting(total: int) -> Iterator[Callable[[int], None]]:
    """Show how many cameras are recorded: a bar on a terminal, else a line whenever the number changed."""
    if not sys.stderr.isatty():
        shown = -1

        def line(done: int) -> None:
            nonlocal shown
            if done != shown:
                shown = done
                _say(f"{done} of {total} cameras are recorded.")

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("Cameras recorded"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False) as progress:
        task = progress.add_task("", total=total)
        yield lambda done: progress.update(task, completed=done, refresh=True)


def _space(folder: DataFolder) -> str:
    free = shutil.disk_usage(folder.media_paths[0]).free
    return f"Recordings go to {folder.media_paths[0]} ({free / 1e9:.0f} GB free)."


def _say(words: str) -> None:
    click.echo(words, err=True)


@contextlib.contextmanager
def _stopping_on_signals() -> Iterator[None]:
    """Turn the first SIGINT, SIGTERM or SIGHUP into _Stopped; while everything is being stopped, ignore more."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}

    def stop(_number: int, _frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise _Stopped

    for number in numbers:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
