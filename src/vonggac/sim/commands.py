"""`vonggac sim`: the simulated cameras on the command line."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vonggac.core.commands import PlainErrors, data_option, emit, json_option
from vonggac.core.datafolder import DataFolder
from vonggac.core.errors import VonggacError
from vonggac.core.settings import Settings
from vonggac.sim.faults import KINDS, parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.progress import TaskID

    from vonggac.sim.control import CameraStatus, SimControl
    from vonggac.sim.digest import Credentials
    from vonggac.sim.scenes.render import Progress


def _list_of_kinds() -> str:
    lines = []
    for name, kind in KINDS.items():
        takes = ", ".join(f"--{one.name} {one.default:g}" for one in parameters(kind))
        lines.append(f"  {name:<14}{kind.summary}{f' ({takes})' if takes else ''}")
    return "\n".join(lines)


@click.group(cls=PlainErrors)
def sim() -> None:
    """The model railway: simulated cameras to try everything with.

    They stand in for the 102 cameras of the district Đức Trọng and speak RTSP as real ones do. `vonggac demo` starts
    them together with a centre; `vonggac sim serve` starts them alone, for any recorder.
    """


@sim.command()
@data_option
@click.option("--cameras", type=int, default=102, show_default=True, metavar="N", help="How many cameras.")
@click.option(
    "--clips",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Play the .mp4 and .mkv files of this folder (H.264, not re-encoded) instead of drawn scenes.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 takes any free port.")
@click.option("--user", default="", help="Ask viewers for this user and a password; without it anyone may look.")
@click.option(
    "--password-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The password's file."
)
@click.option("--password-env", metavar="NAME", help="The environment variable that holds the password.")
@click.option("--sha256", is_flag=True, help="Ask with Digest SHA-256 instead of MD5.")
@click.option(
    "--bit-rate",
    type=click.IntRange(100, 8000),
    default=1200,
    show_default=True,
    metavar="KBIT",
    help="Of the drawn scenes' main stream, in kbit/s.",
)
@click.option(
    "--truth",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Append each vehicle that passes a plate camera to this file, a line of JSON each.",
)
@click.option(
    "--ready-file", type=click.Path(dir_okay=False, path_type=Path), help="Also write the line of JSON to this file."
)
def serve(
    data: Path,
    cameras: int,
    clips: Path | None,
    host: str,
    port: int,
    user: str,
    password_file: Path | None,
    password_env: str | None,
    sha256: bool,
    bit_rate: int,
    truth: Path | None,
    ready_file: Path | None,
) -> None:
    """Serve the cameras until stopped (Ctrl-C).

    The scenes are drawn at the first start, which takes a minute or two, and kept in the user's cache. Then one line
    of JSON on standard output says where the cameras are: camera 7 is at ADDRESS/cam/007, its smaller stream at
    ADDRESS/cam/007/sub. DIR needs no `vonggac init`; the socket for `vonggac sim fault` lies in it.

    \b
    Examples:
      vonggac sim serve --cameras 4
      vonggac sim serve --truth passes.jsonl
      vonggac sim serve --clips films --port 8554 --user viewer --password-file password.txt
    """
    import uvloop

    from vonggac.sim import serving
    from vonggac.sim.scenes.render import Quality

    credentials = _credentials(user, password_file, password_env, sha256=sha256)
    with _Bar() as bar:
        built = serving.build_cameras(cameras, clips, Quality(bit_rate=bit_rate * 1000), bar.show)
    for note in built.notes:
        click.echo(f"Note: {note}", err=True)

    def announce(ready: serving.Ready) -> None:
        if ready_file is not None:
            serving.write_ready_file(ready_file, ready)
        emit(ready)
        sys.stdout.flush()

    control = _control_path(data, make=True)
    uvloop.run(
        serving.serve(
            built, host=host, port=port, credentials=credentials, control=control, announce=announce, truth=truth
        )
    )


def _parameter_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give the command an option for every number that some kind of fault takes."""
    words: dict[str, list[str]] = {}
    for name, kind in KINDS.items():
        for one in parameters(kind):
            words.setdefault(one.name, []).append(f"{name}: {one.words} (else {one.default:g})")
    for parameter, said in reversed(words.items()):
        command = click.option(f"--{parameter}", type=float, metavar="N", help="; ".join(said) + ".")(command)
    return command


def _target_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give the command what says which cameras are meant."""
    for option in (
        click.option("--all", "everyone", is_flag=True, help="All cameras."),
        click.option("--street", default="", metavar="NAME", help="All cameras with this street in their name."),
        click.option("--unit", default="", metavar="CODE", help="All cameras of a unit: lien-nghia."),
    ):
        command = option(command)
    return command


@sim.command()
@click.argument("words", nargs=-1, metavar="[CAMERA]... KIND")
@_target_options
@data_option
@click.option("--for", "for_s", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="Heals by itself.")
@_parameter_options
@click.option("--list", "as_list", is_flag=True, help="Explain each kind in a line, and end.")
def fault(
    words: tuple[str, ...],
    unit: str,
    street: str,
    data: Path,
    for_s: float | None,
    *,
    everyone: bool,
    as_list: bool,
    **values: float | None,
) -> None:
    """Break cameras of the running district.

    CAMERA is a number (7), a path (/cam/007) or a name; KIND is what breaks, the last word. Several kinds can be
    wrong with one camera at once. `vonggac sim restore` ends them.

    \b
    Examples:
      vonggac sim fault --list
      vonggac sim fault 7 drop --for 30
      vonggac sim fault 7 8 9 loss --share 0.1 --burst 4
      vonggac sim fault "Chợ Liên Nghĩa – cổng Bắc" black
      vonggac sim fault --street "Phạm Ngũ Lão" power-cut --for 60
    """
    if as_list:
        click.echo(_list_of_kinds())
        return
    if not words:
        raise click.UsageError("Say what breaks: vonggac sim fault CAMERA KIND. `--list` explains each kind.")
    *cameras, kind = words
    if kind not in KINDS:
        raise click.UsageError(f"{kind!r} is no kind of fault. The kinds are {', '.join(KINDS)}.")
    if not (cameras or unit or street or everyone):
        raise click.UsageError(f"Say which cameras: vonggac sim fault CAMERA {kind}, or --unit, --street, --all.")
    given = {name: value for name, value in values.items() if value is not None}
    states = _control(data).fault(
        *cameras, kind=kind, for_s=for_s, unit=unit, street=street, everyone=everyone, **given
    )
    _tell(states, f" for {for_s:g} s" if for_s else "")


@sim.command()
@click.argument("cameras", nargs=-1, metavar="[CAMERA]...")
@_target_options
@data_option
@click.option("--only", "kind", default="", metavar="KIND", help="End faults of this kind, leave others.")
def restore(cameras: tuple[str, ...], unit: str, street: str, data: Path, kind: str, *, everyone: bool) -> None:
    """End the faults of cameras.

    \b
    Examples:
      vonggac sim restore 7
      vonggac sim restore --all
      vonggac sim restore --unit lien-nghia --only loss
    """
    if not (cameras or unit or street or everyone):
        raise click.UsageError("Say which cameras: vonggac sim restore CAMERA, or --unit, --street, --all.")
    _tell(_control(data).restore(*cameras, kind=kind, unit=unit, street=street, everyone=everyone))


def _tell(states: Sequence[CameraStatus], lasts: str = "") -> None:
    for state in states:
        said = ", ".join(state.faults) + lasts if state.faults else "well"
        click.echo(f"{state.number} {state.name}: {said}")


@sim.command()
@data_option
@json_option
def status(data: Path, as_json: bool) -> None:
    """Show the cameras of the running district: faults, viewers, what was sent and dropped."""
    cameras = _control(data).status()
    if as_json:
        emit(cameras)
        return
    width = max(len(camera.name) for camera in cameras)
    faults = {camera.number: ", ".join(camera.faults) or "–" for camera in cameras}
    broad = max(len("faults"), *map(len, faults.values()))
    click.echo(f"{'no.':<5}{'name':<{width}}  {'faults':<{broad}}{'viewers':>9}{'pictures':>10}{'dropped':>9}{'MB':>9}")
    for camera in cameras:
        click.echo(
            f"{camera.number:<5}{camera.name:<{width}}  {faults[camera.number]:<{broad}}{camera.viewers:>9}"
            f"{camera.pictures_sent:>10}{camera.pictures_dropped:>9}{camera.bytes_sent / 1e6:>9.1f}"
        )


@sim.command("cameras")
@click.option("--address", required=True, metavar="URL", help="Where they are: rtsp://HOST:PORT.")
@click.option("--cameras", "count", type=int, default=102, show_default=True, metavar="N", help="How many cameras.")
@click.option("--user", default="", help="The user to put into the addresses.")
@click.option(
    "--password-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The password's file."
)
@click.option("--password-env", metavar="NAME", help="The environment variable that holds the password.")
@click.option("--sub/--no-sub", default=True, show_default=True, help="With the addresses of the smaller streams.")
def list_cameras(
    address: str, count: int, user: str, password_file: Path | None, password_env: str | None, sub: bool
) -> None:
    """Print the cameras as CSV for `vonggac camera import`.

    Their units come first: `vonggac sim units` prints them for `vonggac unit import`. With --user the output holds
    the password.
    """
    from vonggac.sim import district

    credentials = _credentials(user, password_file, password_env)
    password = credentials.password if credentials else ""
    click.echo(district.cameras_csv(address, user, password, count=count, sub=sub), nl=False)


@sim.command("units")
def list_units() -> None:
    """Print the district's tree of units as CSV for `vonggac unit import`."""
    from vonggac.sim import district

    click.echo(district.units_csv(), nl=False)


class _Bar:
    """A progress bar on standard error; shown only when there is something to wait for."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import Progress as RichProgress

        self._progress = RichProgress(console=Console(stderr=True), transient=True)
        self._task: TaskID | None = None
        self._started = False

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *error: object) -> None:
        if self._started:
            self._progress.stop()

    @property
    def show(self) -> Progress:
        """To be told how far the drawing is."""
        return self._show

    def _show(self, done: int, total: int) -> None:
        if not self._started:
            self._started = True
            self._progress.start()
            self._task = self._progress.add_task("Drawing the scenes (once)", total=total)
        assert self._task is not None
        self._progress.update(self._task, completed=done)


def _credentials(
    user: str, password_file: Path | None, password_env: str | None, *, sha256: bool = False
) -> Credentials | None:
    from vonggac.sim.digest import Credentials

    if not user:
        if password_file or password_env:
            raise click.UsageError("A password needs its --user.")
        return None
    if (password_file is None) == (password_env is None):
        raise click.UsageError("Give the password by --password-file or by --password-env, not on the command line.")
    if password_file is not None:
        lines = password_file.read_text(encoding="utf-8").splitlines()
        password = lines[0] if lines else ""
    else:
        password = os.environ.get(password_env or "", "")
    if not password:
        raise VonggacError(f"The password of {user} is empty: {password_file or password_env} holds none.")
    return Credentials(user, password, "SHA-256" if sha256 else "MD5")


def _control(data: Path) -> SimControl:
    from vonggac.sim.control import SimControl

    return SimControl(_control_path(data))


def _control_path(data: Path, *, make: bool = False) -> Path:
    if make:
        data.mkdir(parents=True, exist_ok=True)
    elif not data.is_dir():
        raise VonggacError(f"There is no folder {data}. Name the one of the running district with --data.")
    return DataFolder(data.resolve(), Settings()).socket_path("sim")
