"""Starts the foreign camera (`gst_camera.py`) as a process of its own and stops it again."""

from __future__ import annotations

import json
import os
import select
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

SYSTEM_PYTHON = "/usr/bin/python3"
"""Debian's own: GStreamer's bindings (python3-gi) are installed for it alone."""

_PROGRAM = Path(__file__).with_name("gst_camera.py")


class PeerFailed(AssertionError):
    """A foreign program did not start; the message ends with what it said."""


@dataclass
class GstCamera:
    """GStreamer's RTSP server on loopback, from entering the block to leaving it.

    `clips` are files with H.264 or H.265; mount `/cam/N` plays the N-th, beginning anew after the last. With `user`,
    `auth` is "digest" (MD5) or "basic". `tls`: a file with certificate and key (PEM), and its addresses are rtsps://.
    """

    clips: Sequence[Path]
    mounts: int | None = None
    user: str | None = None
    password: str = ""
    auth: str = "digest"
    port: int = 0
    shared: bool = False
    pipelines: int = 0
    """Where many mounts shall cost little: so many pipelines feed all of them, each at its moment."""
    sets_in_sdp_only: bool = False
    udp: bool = False
    udp_only: bool = False
    tls: Path | None = None
    mtu: int = 1400
    sound: str = ""
    """"aac" or "pcma": a second track, with a beep at the beginning of every second."""
    start_timeout_s: float = 30.0
    paths: list[str] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def url(self, number: int = 1, *, user: str | None = None, password: str | None = None) -> str:
        """Return the address of mount `number`, with the user and password of the server or others."""
        name = self.user if user is None else user
        word = self.password if password is None else password
        credentials = f"{quote(name, safe='')}:{quote(word, safe='')}@" if name else ""
        return f"{self._scheme}://{credentials}127.0.0.1:{self.port}{self.paths[number - 1]}"

    @property
    def open_url(self) -> str:
        """Address of the first mount without user and password."""
        return f"{self._scheme}://127.0.0.1:{self.port}{self.paths[0]}"

    @property
    def _scheme(self) -> str:
        return "rtsps" if self.tls else "rtsp"

    @property
    def pid(self) -> int:
        assert self.process is not None, "the camera is not running"
        return self.process.pid

    def start(self) -> GstCamera:
        """Start the server and wait until it listens; PeerFailed when it does not. After `stop` the port is kept."""
        self.process = subprocess.Popen(
            [SYSTEM_PYTHON, str(_PROGRAM), *self._arguments()],
            stdin=subprocess.PIPE,  # The server ends when this is closed, also by our death.
            stdout=subprocess.PIPE,
            # Its warnings about clients that leave are no news; what keeps it from starting stands on the last line.
            stderr=subprocess.PIPE,
            env={**os.environ, "CAMERA_PASSWORD": self.password, "GST_DEBUG": "0"},
        )
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], self.start_timeout_s)
        line = self.process.stdout.readline() if ready else b""
        if not line:
            self.process.kill()
            _, said = self.process.communicate()
            raise PeerFailed(f"GStreamer's RTSP server did not start: {said.decode(errors='replace').strip()}")
        answer = json.loads(line)
        self.port, self.paths = answer["port"], answer["paths"]
        return self

    def stop(self) -> None:
        """End the server at once, as when a camera loses its power; nothing when it is not running."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.communicate()

    def __enter__(self) -> GstCamera:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _arguments(self) -> list[str]:
        arguments = [f"--port={self.port}", f"--mtu={self.mtu}", f"--mounts={self.mounts or len(self.clips)}"]
        if self.pipelines:
            arguments.append(f"--pipelines={self.pipelines}")
        if self.user:
            arguments += [f"--user={self.user}", f"--auth={self.auth}"]
        if self.sound:
            arguments.append(f"--sound={self.sound}")
        if self.tls:
            arguments.append(f"--tls={self.tls}")
        flags = {
            "--shared": self.shared,
            "--sets-in-sdp-only": self.sets_in_sdp_only,
            "--udp": self.udp,
            "--udp-only": self.udp_only,
        }
        arguments += [flag for flag, wanted in flags.items() if wanted]
        return [*arguments, *(str(clip) for clip in self.clips)]
