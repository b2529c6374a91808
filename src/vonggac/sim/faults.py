"""What can be wrong with a simulated camera: one small class a kind, found by its name.

A fault says what differs from a well camera; playbacks and connections ask the faults of their camera and do it. Most
can stand together; of those that share a `group` the later one takes the earlier one's place. Nothing here does I/O,
and nothing heavy is imported: the command line reads the kinds for its help.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from vonggac.core.errors import VonggacError

if TYPE_CHECKING:
    from vonggac.sim.camera import SimCamera
    from vonggac.sim.messages import Request

TICKS_PER_S = 90_000
ABANDONED_LIMIT = 1000
"""Dead sessions that a camera remembers at most."""


class UnknownFault(VonggacError):
    """A kind or a parameter that does not exist, or a value out of its range."""


class Verdict(Enum):
    """What becomes of a request that is not answered as usual."""

    HANG_UP = "hang up"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that a kind of fault takes. `least` and `most` are allowed themselves."""

    name: str
    default: float
    words: str
    least: float
    most: float


def _number(default: float, words: str, least: float, most: float) -> Any:
    return field(default=default, metadata={"words": words, "least": least, "most": most})


@dataclass(slots=True, eq=False)
class Fault:
    """A camera that is well; kinds differ in what they say here. One object serves one camera."""

    kind: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    group: ClassVar[str] = ""
    """Of the kinds of one group a camera has one at a time."""
    usual_s: ClassVar[float | None] = None
    """How long it lasts when nobody says so; None until it is restored."""
    cuts_at_start: ClassVar[bool] = False
    """The camera's connections are closed when the fault begins."""
    resets_at_end: ClassVar[bool] = False
    """The camera's connections are reset when the fault ends: it came back without a memory of them."""
    silences: ClassVar[bool] = False
    """Neither pictures nor reports are sent."""
    hides_key_frames: ClassVar[bool] = False
    stands_still: ClassVar[bool] = False
    """Every picture has the time of the one before."""
    garbles: ClassVar[bool] = False
    """Chance bytes are sent in the place of pictures."""
    half_closes: ClassVar[bool] = False
    """Half a picture is sent, and then no more comes on this connection."""
    substitute: ClassVar[str] = ""
    """The name of other pictures that take the place of the scene's, in `encoding.SUBSTITUTES`."""

    def answer(self, request: Request, camera: SimCamera, now: float) -> Verdict | int | None:
        """Return a status to refuse the request with, a verdict, or None when it is answered as usual."""
        return None

    def abandoned(self, now: float, timeout: float) -> None:
        """A viewer has gone without ending its session, which would have lasted `timeout` seconds from now on."""

    def lost(self, packets: int) -> frozenset[int]:
        """Return which of the next picture's packets do not arrive, by index."""
        return frozenset()

    def delay(self) -> int:
        """Return by how many ticks the next picture is late."""
        return 0

    @property
    def media_shift(self) -> int:
        """Ticks that are added to all media times."""
        return 0

    @property
    def clock_shift_us(self) -> int:
        """Microseconds by which the camera's clock is ahead."""
        return 0

    @property
    def bytes_per_s(self) -> float | None:
        """How fast pictures are sent; None as fast as they are made."""
        return None


class _Away(Fault):
    group = "away"
    cuts_at_start = True

    def answer(self, request: Request, camera: SimCamera, now: float) -> Verdict | int | None:
        return Verdict.HANG_UP


class Drop(_Away):
    """Connections are closed, and new ones at their first request."""

    kind = "drop"
    summary = "its connections are closed, new ones are closed at once"


class Reboot(_Away):
    """As a drop, but it ends by itself."""

    kind = "reboot"
    summary = "it restarts: away for 30 s (or --for), all sessions gone"
    usual_s = 30.0


class PowerCut(Fault):
    """Nothing is closed in order: the other end hears nothing, and is reset when the power is back."""

    kind = "power-cut"
    summary = "no power: connections hang without a word, and are reset when it is back; for a street or a unit at once"
    group = "away"
    silences = True
    resets_at_end = True

    def answer(self, request: Request, camera: SimCamera, now: float) -> Verdict | int | None:
        return Verdict.IGNORE


class Silent(Fault):
    """The connection stands and that is all."""

    kind = "silent"
    summary = "connections are accepted, requests are never answered, nothing is sent"
    group = "away"
    silences = True

    def answer(self, request: Request, camera: SimCamera, now: float) -> Verdict | int | None:
        return Verdict.IGNORE


class Refuse(Fault):
    """Who watches goes on; who comes is refused by 503 (RFC 2326 §11)."""

    kind = "refuse"
    summary = "new viewers are refused (503 Service Unavailable), those who watch go on"

    def answer(self, request: Request, camera: SimCamera, now: float) -> Verdict | int | None:
        return 503 if request.method in {"DESCRIBE", "SETUP"} else None


class Unauthorised(Fault):
    """The password was changed: no proof counts any more."""

    kind = "unauthorised"
    summary = "its password was changed: connections are closed, and every request is answered by 401"
    cuts_at_start = True

    def answer(self, request: Request, camera: SimCamera, now: float) -> Verdict | int | None:
        return 401


@dataclass(slots=True, eq=False)
class Sessions(Fault):
    """Few sessions, and those of viewers who went without a word count until their time is out."""

    kind = "sessions"
    summary = "it allows few sessions and keeps dead ones until they time out (453 Not Enough Bandwidth)"

    limit: float = _number(3, "sessions at a time", 1, 100)
    _dead: deque[float] = field(default_factory=lambda: deque(maxlen=ABANDONED_LIMIT), init=False)

    def answer(self, request: Request, camera: SimCamera, now: float) -> Verdict | int | None:
        while self._dead and self._dead[0] <= now:
            self._dead.popleft()
        return 453 if request.method == "SETUP" and camera.sessions + len(self._dead) >= self.limit else None

    def abandoned(self, now: float, timeout: float) -> None:
        self._dead.append(now + timeout)


class Freeze(Fault):
    """Requests are answered; there is no picture and no report."""

    kind = "freeze"
    summary = "it stays connected, answers requests, and sends no pictures"
    silences = True


class Black(Fault):
    """From the next key frame on pictures are black."""

    kind = "black"
    summary = "its pictures turn black, as with a covered lens"
    group = "pictures"
    substitute = "black"


class Parameters(Fault):
    """From the next key frame on another size, with parameter sets in the stream to match."""

    kind = "parameters"
    summary = "the size of its pictures changes in mid-stream (half as wide and high), with new parameter sets"
    group = "pictures"
    substitute = "half-size"


class NoKeyFrames(Fault):
    """The encoder makes no key frames: packet numbers have no hole where they would stand."""

    kind = "no-key-frames"
    summary = "it never sends a key frame"
    hides_key_frames = True


@dataclass(slots=True, eq=False)
class Loss(Fault):
    """Packets are lost in bursts: a Gilbert model, lost for `burst` packets on average, `share` of all."""

    kind = "loss"
    summary = "packets are lost, alone or in bursts; over TCP as by a camera whose own sender gave up"

    share: float = _number(0.05, "share of packets that are lost", 0.0001, 0.9)
    burst: float = _number(1, "packets lost in a row, on average", 1, 1000)
    _chance: Random = field(default_factory=Random, init=False)
    _losing: bool = field(default=False, init=False)

    def lost(self, packets: int) -> frozenset[int]:
        # From "losing" to "well" with 1/burst, back so that the share comes out right.
        end = 1 / self.burst
        start = min(1.0, end * self.share / (1 - self.share))
        gone = []
        for index in range(packets):
            if self._chance.random() < (end if self._losing else start):
                self._losing = not self._losing
            if self._losing:
                gone.append(index)
        return frozenset(gone)


@dataclass(slots=True, eq=False)
class Jitter(Fault):
    """Every picture is late by a time of its own; their order stays."""

    kind = "jitter"
    summary = "every picture comes late by a chance time of its own"

    ms: float = _number(200, "milliseconds at most", 1, 1500)
    _chance: Random = field(default_factory=Random, init=False)

    def delay(self) -> int:
        return int(self._chance.uniform(0, self.ms) * TICKS_PER_S / 1000)


@dataclass(slots=True, eq=False)
class WrongClock(Fault):
    """The wall time in sender reports is wrong (RFC 3550 §6.4.1); media times are as they were."""

    kind = "clock"
    summary = "its clock is wrong: sender reports tell another time of day"

    by: float = _number(3600, "seconds ahead, negative behind", -4e9, 4e9)

    @property
    def clock_shift_us(self) -> int:
        return round(self.by * 1_000_000)


@dataclass(slots=True, eq=False)
class Jump(Fault):
    """Media times jump, and so does the media time in sender reports; they jump back when it ends."""

    kind = "jump"
    summary = "timestamps jump, and jump back when it ends"
    group = "times"

    by: float = _number(10, "seconds, negative backwards", -20_000, 20_000)

    @property
    def media_shift(self) -> int:
        return round(self.by * TICKS_PER_S)


class StandStill(Fault):
    """Every picture carries the time of the last one before the fault."""

    kind = "stand-still"
    summary = "timestamps stand still: every picture has the time of the one before"
    group = "times"
    stands_still = True


@dataclass(slots=True, eq=False)
class Slow(Fault):
    """The stream is whole and in order, and far too slow to be of use."""

    kind = "slow"
    summary = "it sends a few bytes a second"
    group = "bytes"

    rate: float = _number(10, "bytes a second", 1, 10_000)

    @property
    def bytes_per_s(self) -> float | None:
        return self.rate


class Garbage(Fault):
    """Bytes that are neither RTP nor RTSP."""

    kind = "garbage"
    summary = "chance bytes come instead of pictures"
    group = "bytes"
    garbles = True


class HalfClose(Fault):
    """The camera closes its direction in the middle of a picture and still listens."""

    kind = "half-close"
    summary = "it closes its side of the connection in the middle of a picture, and goes on listening"
    group = "bytes"
    half_closes = True


KINDS: Mapping[str, type[Fault]] = {
    one.kind: one
    for one in (
        Drop,
        Freeze,
        Black,
        Loss,
        Jitter,
        WrongClock,
        Jump,
        StandStill,
        Parameters,
        NoKeyFrames,
        Slow,
        Silent,
        Garbage,
        Refuse,
        Unauthorised,
        Sessions,
        HalfClose,
        Reboot,
        PowerCut,
    )
}


def parameters(kind: type[Fault]) -> Iterator[Parameter]:
    """Yield what can be set of a kind of fault."""
    for one in fields(kind):
        if one.init:
            yield Parameter(one.name, one.default, **one.metadata)  # type: ignore[arg-type] # all are numbers


def make(kind: str, values: Mapping[str, float]) -> Fault:
    """Return a new fault. Raises UnknownFault for a kind, a parameter or a value that does not exist."""
    if (made := KINDS.get(kind)) is None:
        raise UnknownFault(f"Unknown fault {kind!r}: {', '.join(KINDS)} are known.")
    known = {parameter.name: parameter for parameter in parameters(made)}
    for name, value in values.items():
        if (parameter := known.get(name)) is None:
            takes = f"it takes {', '.join(known)}" if known else "it takes nothing"
            raise UnknownFault(f"The fault {kind} has no {name!r}: {takes}.")
        if not parameter.least <= value <= parameter.most:
            raise UnknownFault(
                f"The fault {kind} takes a {name} from {parameter.least:g} to {parameter.most:g}"
                f" ({parameter.words}), not {value:g}."
            )
    return made(**values)
