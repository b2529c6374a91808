"""One simulated camera: what it shows, when it began to, and what is wrong with it at the moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from vonggac.sim.faults import Fault
from vonggac.sim.packetise import FramedPicture
from vonggac.sim.track import Track


@dataclass(frozen=True, slots=True)
class Substitute:
    """One group of other pictures, a key frame first, that can stand in for any group of the clip or its beginning."""

    parameter_sets: Sequence[bytes]
    pictures: Sequence[FramedPicture]


@dataclass(frozen=True, slots=True)
class Feed:
    """One stream of a camera, and the other pictures that can take its place, made when a fault first needs them."""

    track: Track
    substitutes: dict[str, Substitute] = field(default_factory=dict, compare=False)


Splice: TypeAlias = Callable[[Feed, int], Substitute | None]
"""What a camera shows in the group of pictures that begins at a moment of its time line, if not its loop."""


@dataclass(slots=True)
class SimCamera:
    """A camera of the district. `phase` is the moment, in 90 kHz ticks of the server, at which its clip began."""

    path: str
    name: str
    main: Feed
    sub: Feed | None = None
    phase: int = 0
    unit: str = ""
    """The path of its unit: `lam-dong/duc-trong/lien-nghia`."""
    splice: Splice | None = None
    faults: dict[str, Fault] = field(default_factory=dict)
    """By kind, in the order in which they came."""
    sessions: int = 0
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

    @property
    def feeds(self) -> tuple[Feed, ...]:
        """Its streams."""
        return (self.main,) if self.sub is None else (self.main, self.sub)

    def take_ill(self, fault: Fault) -> None:
        """Have a fault from now on; one of the same kind or group ends."""
        for other in list(self.faults.values()):
            if other.kind == fault.kind or (fault.group and other.group == fault.group):
                del self.faults[other.kind]
        self.faults[fault.kind] = fault
