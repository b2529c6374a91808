"""Commands to a running district: one line of JSON asks, one line answers, over a Unix socket.

Requests: `{"do": "fault", "camera": "7", "kind": "drop", "for_s": 30}`, the kind "restore" ends a fault;
`{"do": "status"}`. Answers: `{"ok": true, ...}` or `{"ok": false, "error": "plain words"}`.
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
from vonggac.sim.camera import Fault, SimCamera
from vonggac.sim.rtsp_server import SimServer

RESTORE = "restore"
KINDS = (*(fault.value for fault in Fault), RESTORE)
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
    fault: str | None
    viewers: int
    connections: int
    pictures_sent: int
    pictures_dropped: int
    packets_sent: int
    bytes_sent: int


class Request(msgspec.Struct, frozen=True):
    """What is asked; `camera`, `kind` and `for_s` belong to "fault"."""

    do: str
    camera: str = ""
    kind: str = ""
    for_s: float | None = None


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
            if request.do == "fault":
                return Answer(True, cameras=(await self._fault(request),))
        except VonggacError as error:
            return Answer(False, str(error))
        return Answer(False, f"Unknown command {request.do!r}: fault and status are known.")

    async def _fault(self, request: Request) -> CameraStatus:
        if request.kind not in KINDS:
            raise ControlError(f"Unknown fault {request.kind!r}: {', '.join(KINDS)} are known.")
        if request.for_s is not None and not 0 < request.for_s <= LONGEST_FAULT_S:
            raise ControlError(f"A fault lasts more than 0 and at most {LONGEST_FAULT_S} seconds.")
        camera = self._server.camera(request.camera)
        fault = None if request.kind == RESTORE else Fault(request.kind)
        await self._server.break_camera(camera, fault, request.for_s)
        return _status(camera)


class SimControl:
    """Commands a running district. Each call is one short connection; raises ControlError."""

    def __init__(self, path: Path, timeout_s: float = 20.0) -> None:
        self._path = path
        self._timeout_s = timeout_s

    def fault(self, camera: str, kind: str, for_s: float | None = None) -> CameraStatus:
        """Give a camera (number, path or name) a fault, for some seconds or until "restore"; return its state."""
        return self._ask(Request("fault", camera, kind, for_s)).cameras[0]

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
        camera.fault.value if camera.fault else None,
        camera.viewers,
        camera.connections,
        camera.pictures_sent,
        camera.pictures_dropped,
        camera.packets_sent,
        camera.bytes_sent,
    )
