"""Which stream a viewer gets, and in which form: what he asked for, else the nearest that can be had. No I/O."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from vonggac.video import live_client
from vonggac.web.live.away import Away
from vonggac.web.live.fragments import Stream
from vonggac.web.live.outbox import Item, Jpeg, Refused

ASKED = ("auto", "main", "sub")


@dataclass(frozen=True, slots=True)
class Wish:
    """A stream, as it comes or (`decoded`) key frames of it decoded here."""

    name: live_client.Stream
    decoded: bool = False


class Verdict(enum.Enum):
    """What is known of a wish that is being tried."""

    WAIT = enum.auto()
    TAKE = enum.auto()
    NEXT = enum.auto()


@dataclass(slots=True)
class Choice:
    """The wishes of one viewer, the best first."""

    asked: str
    """One of ASKED. `auto` is the main stream, unless only the other one can be played."""
    can_h265: bool
    _at: int = 0
    wishes: tuple[Wish, ...] = field(init=False)

    def __post_init__(self) -> None:
        names: tuple[live_client.Stream, ...] = ("sub", "main") if self.asked == "sub" else ("main", "sub")
        decoded = [Wish(name, decoded=True) for name in names[: names.index("main") + 1]]
        self.wishes = (*map(Wish, names), *decoded)

    @property
    def wish(self) -> Wish:
        """What is to be tried now."""
        return self.wishes[self._at]

    def begin(self) -> None:
        """Try the best one (again)."""
        self._at = 0

    def next(self, after: Wish | None = None) -> None:
        """Try the one after what was tried, or after the given one.

        There always is one: the last are key frames of the main stream, or the word why there are none.
        """
        at = self._at if after is None else self.wishes.index(after)
        self._at = min(at + 1, len(self.wishes) - 1)

    def plays(self, stream: Stream) -> bool:
        """Return whether the viewer's browser plays a stream."""
        return stream.codec != "h265" or self.can_h265

    def verdict(self, wish: Wish, first: Item | None) -> Verdict:
        """Return what to do about a wish, by the first that came of it."""
        if first is None:
            return Verdict.WAIT
        if isinstance(first, Refused):
            return Verdict.NEXT
        if isinstance(first, Away):
            # The main stream is the one that is recorded: what its recorder says of the camera counts.
            return Verdict.TAKE if wish.name == "main" else Verdict.NEXT
        if isinstance(first, Jpeg):
            return Verdict.TAKE
        return Verdict.TAKE if not isinstance(first, Stream) or self.plays(first) else Verdict.NEXT
