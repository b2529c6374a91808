"""One simulated camera: what it shows, when it began to, and what is wrong with it at the moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from vonggac.sim.packetise import FramedPicture
from vonggac.sim.track import Track


class Fault(StrEnum):
    """What can be wrong with a camera, by command."""

    DROP = "drop"
    """Its connections are closed, and new ones are closed at their first request."""
    FREEZE = "freeze"
    """It answers, and sends nothing: no picture, no report."""
    BLACK = "black"
    """From the next key frame on its pictures are black, as with a covered lens."""


@dataclass(frozen=True, slots=True)
class Feed:
    """One stream of a camera, and the black pictures that can take its place once a fault needs them."""

    track: Track
    black: list[FramedPicture] = field(default_factory=list, compare=False)


@dataclass(slots=True)
class SimCamera:
    """A camera of the district. `phase` is the moment, in 90 kHz ticks of the server, at which its clip began."""

    path: str
    name: str
    main: Feed
    sub: Feed | None = None
    phase: int = 0
    fault: Fault | None = None
    viewers: int = 0
    pictures_sent: int = 0
    pictures_dropped: int = 0
    packets_sent: int = 0
    bytes_sent: int = 0
    connections: int = 0

    @property
    def number(self) -> str:
        """The last part of the path, as people type it."""
        return self.path.rpartition("/")[2]
