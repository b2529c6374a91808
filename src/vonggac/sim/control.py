"""Commands to a running district: one line of JSON asks, one line answers, over a Unix socket.

Requests: `{"do": "fault", "cameras": ["7"], "kind": "loss", "for_s": 30, "values": {"share": 0.1}}`, instead of
cameras also `"unit"`, `"street"` or `"everyone"`; `{"do": "restore", "cameras": ["7"], "kind": ""}`, without a kind all
faults; `{"do": "status"}`. Answers: `{"ok": true, ...}` or `{"ok": false, "error": "plain words"}`.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import msgspec

from vonggac.core.errors import VonggacError
from vonggac.sim import targets
from vonggac.sim.camera import SimCamera
from vonggac.sim.faults import KINDS, UnknownFault
from vonggac.sim.rtsp_server import SimServer

LONGEST_FAULT_S = 7 * 86_400

_PATH_LIMIT = 100
"""A Unix socket's address holds 108 bytes (unix(7))."""
_REQUEST_LIMIT = 64 << 10
_REQUEST_TIMEOUT_S = 30.0
_ANSWER_LIMIT = 4 << 20
_VISITORS_LIMIT = 32


class ControlError(VonggacError):
    """The running district cannot be reached, or refuses a command."""


class CameraStatus(msgspec.Struct, frozen=True):
    """One camera of a running district. Counts are since its start, over all viewers."""

    number: str
    name: str
    path: str
    faults: tuple[str, ...]
    viewers: int
    connections: int
    pictures_sent: int
    pictures_dropped: int
    packets_sent: int
    bytes_sent: int


class Request(msgspec.Struct, frozen=True):
    """What is asked. All but `do` belong to "fault" and "restore"; `for_s` and `values` to "fault" alone."""

    do: str
    cameras: tuple[str, ...] = ()
    unit: str = ""
    street: str = ""
    everyone: bool = False
    kind: str = ""
    for_s: float | None = None
    values: dict[str, float] = {}


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of it."""

    ok: bool
    error: str = ""
    address: str = ""
    cameras: tuple[CameraStatus, ...] = ()


class ControlServer:
    """Takes commands for a server on a Unix socket that only this user can open."""

    def __init__(self, server: SimServer, path: Path) -> None:
        self._server = server
        self._path = path
        self._listener: asyncio.Server | None = None
        self._visitors = 0

    async def __aenter__(self) -> ControlServer:
        if len(os.fsencode(self._path)) > _PATH_LIMIT:
            raise ControlError(f"The path of the control socket is too long: {self._path}. Choose a shorter folder.")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if await asyncio.to_thread(_answers, self._path):
                raise ControlError(f"Another simulated district runs here already ({self._path}). Stop it first.")
            self._path.unlink(missing_ok=True)
            mask = os.umask(0o177)
            try:
                self._listener = await asyncio.start_unix_server(self._visit, str(self._path), limit=_REQUEST_LIMIT)
            finally:
                os.umask(mask)
        except OSError as error:
            raise ControlError(f"The control socket {self._path} cannot be made: {error.strerror}.") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listener is not None:
            self._listener.close()
        self._path.unlink(missing_ok=True)

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._visitors += 1
        try:
            while self._visitors <= _VISITORS_LIMIT:
                line = await asyncio.wait_for(reader.readline(), _REQUEST_TIMEOUT_S)
                if not line:
                    return
                writer.write(msgspec.json.encode(await self._answer(line)) + b"\n")
                await asyncio.wait_for(writer.drain(), _REQUEST_TIMEOUT_S)
        except (TimeoutError, ConnectionError, ValueError):
            return  # gone, or a line beyond the limit: no one is left to be told
        finally:
            self._visitors -= 1
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, line: bytes) -> Answer:
        try:
            request = msgspec.json.decode(line, type=Request)
        except msgspec.MsgspecError as error:
            return Answer(False, f"Not a command: {error}.")
        try:
            if request.do == "status":
                states = tuple(_status(camera) for camera in self._server.cameras.values())
                return Answer(True, address=self._server.address, cameras=states)
            if request.do in {"fault", "restore"}:
                return Answer(True, cameras=await self._fault(request))
        except VonggacError as error:
            return Answer(False, str(error))
        return Answer(False, f"Unknown command {request.do!r}: fault, restore and status are known.")

    async def _fault(self, request: Request) -> tuple[CameraStatus, ...]:
        if request.for_s is not None and not 0 < request.for_s <= LONGEST_FAULT_S:
            raise ControlError(f"A fault lasts more than 0 and at most {LONGEST_FAULT_S} seconds.")
        cameras = targets.select(
            list(self._server.cameras.values()),
            request.cameras,
            request.unit,
            request.street,
            everyone=request.everyone,
        )
        if not cameras:
            raise ControlError("Say which cameras: by number or name, a unit, a street, or all.")
        if request.do == "restore":
            if request.kind and request.kind not in KINDS:
                raise UnknownFault(f"Unknown fault {request.kind!r}: {', '.join(KINDS)} are known.")
            self._server.restore(cameras, request.kind)
        else:
            await self._server.break_cameras(cameras, request.kind, request.for_s, **request.values)
        return tuple(_status(camera) for camera in cameras)


class SimControl:
    """Commands a running district. Each call is one short connection; raises ControlError."""

    def __init__(self, path: Path, timeout_s: float = 20.0) -> None:
        self._path = path
        self._timeout_s = timeout_s

    def fault(
        self,
        *cameras: str,
        kind: str,
        for_s: float | None = None,
        unit: str = "",
        street: str = "",
        everyone: bool = False,
        **values: float,
    ) -> tuple[CameraStatus, ...]:
        """Give cameras (number, path or name; all of a unit, a street, the district) a fault; return their states.

        It lasts `for_s` seconds, or what is usual for its kind, which mostly is until `restore`.
        """
        return self._ask(Request("fault", cameras, unit, street, everyone, kind, for_s, values)).cameras

    def restore(
        self, *cameras: str, kind: str = "", unit: str = "", street: str = "", everyone: bool = False
    ) -> tuple[CameraStatus, ...]:
        """Rid cameras of all faults, or of those of one kind; return their states."""
        return self._ask(Request("restore", cameras, unit, street, everyone, kind)).cameras

    def status(self) -> tuple[CameraStatus, ...]:
        """Return the state of all cameras."""
        return self._ask(Request("status")).cameras

    def _ask(self, request: Request) -> Answer:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
                peer.settimeout(self._timeout_s)
                peer.connect(str(self._path))
                peer.sendall(msgspec.json.encode(request) + b"\n")
                line = _read_line(peer)
        except TimeoutError as error:
            raise ControlError(f"The simulated district does not answer ({self._path}).") from error
        except OSError as error:
            raise ControlError(
                f"No simulated district runs here (no answer at {self._path}). Start one with `vonggac demo` or"
                " `vonggac sim serve`, or name its folder with --data."
            ) from error
        try:
            answer = msgspec.json.decode(line, type=Answer)
        except msgspec.MsgspecError as error:
            raise ControlError(f"What listens at {self._path} is no simulated district.") from error
        if not answer.ok:
            raise ControlError(answer.error)
        return answer


def _read_line(peer: socket.socket) -> bytes:
    line = bytearray()
    while not line.endswith(b"\n") and len(line) < _ANSWER_LIMIT:
        part = peer.recv(64 << 10)
        if not part:
            break
        line += part
    return bytes(line)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(1.0)
        try:
            peer.connect(str(path))
        except OSError:
            return False
    return True


def _status(camera: SimCamera) -> CameraStatus:
    return CameraStatus(
        camera.number,
        camera.name,
        camera.path,
        tuple(camera.faults),
        camera.viewers,
        camera.connections,
        camera.pictures_sent,
        camera.pictures_dropped,
        camera.packets_sent,
        camera.bytes_sent,
    )
