"""Which of a camera's messages speak of motion, and whether there is any now.

Topics after the ONVIF Profile S and T and what makers add: RuleEngine/CellMotionDetector/Motion (IsMotion),
VideoSource/MotionAlarm (State), RuleEngine/MotionRegionDetector/Motion (State), RuleEngine/MyRuleDetector/… (State).
"""

from __future__ import annotations

from collections.abc import Iterable

from vonggac.cameras.onvif.messages import Notification

STATES = ("IsMotion", "State", "Motion", "IsInside")
"""Names of the value that says so, in this order."""
_ENDINGS = ("Motion", "MotionAlarm")
_RULES = ("CellMotionDetector", "MotionRegionDetector", "MyRuleDetector", "FieldDetector")
HOLDS_S = 600.0
"""What a camera said once counts no longer, unless it says it again: some never take it back."""
MOST_SOURCES = 64

Key = tuple[str, tuple[tuple[str, str], ...]]


def said_of_motion(message: Notification) -> bool | None:
    """Return whether a message says that something moves, or moves no more; None where it speaks of other things."""
    steps = message.topic.split("/")
    if steps[-1] not in _ENDINGS and not any(rule in steps for rule in _RULES):
        return None
    if message.operation == "Deleted":
        return False
    for name in STATES:
        if (value := message.data.get(name, "").lower()) in ("true", "1", "false", "0"):
            return value in ("true", "1")
    return None


class MotionState:
    """What the sources of one camera said last: several rules, regions or lenses."""

    def __init__(self) -> None:
        self._since: dict[Key, float] = {}

    def take(self, said: Iterable[Notification], monotonic_s: float) -> None:
        """Take messages in their order."""
        for message in said:
            moves = said_of_motion(message)
            if moves is None:
                continue
            key = (message.topic, message.source)
            if not moves:
                self._since.pop(key, None)
            elif key in self._since or len(self._since) < MOST_SOURCES:
                self._since[key] = monotonic_s

    def moves(self, monotonic_s: float) -> bool:
        """Return whether something moves, by any source."""
        self._since = {key: since for key, since in self._since.items() if monotonic_s - since < HOLDS_S}
        return bool(self._since)

    def forget(self) -> None:
        """The subscription is over: nothing is known."""
        self._since.clear()
