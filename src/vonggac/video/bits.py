"""The bits of parameter sets, for whoever reads them: the RTSP client and the MP4 writer."""

from __future__ import annotations

from vonggac.core.errors import VonggacError


class MalformedParameterSet(VonggacError):
    """A parameter set that cannot be read."""


class BitReader:
    """Reads the bits of a unit after its emulation prevention bytes are taken out (H.264 §7.3.1, H.265 §7.3.1.1)."""

    __slots__ = ("_left", "_value")

    def __init__(self, unit: bytes) -> None:
        payload = unit.replace(b"\0\0\3", b"\0\0")
        self._value = int.from_bytes(payload, "big")
        self._left = len(payload) * 8

    def bits(self, count: int) -> int:
        """Return the next bits as a number; MalformedParameterSet past the end."""
        if count > self._left:
            raise MalformedParameterSet("A parameter set ends too early.")
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def ue(self, limit: int = 0xFFFF_FFFE) -> int:
        """Return an unsigned Exp-Golomb number (H.264 §9.1, H.265 §9.2); MalformedParameterSet above `limit`."""
        zeros = 0
        while not self.bits(1):
            zeros += 1
            if zeros > 31:
                raise MalformedParameterSet("A parameter set holds a number out of range.")
        return at_most((1 << zeros) - 1 + self.bits(zeros), limit)

    def se(self) -> int:
        """Return a signed Exp-Golomb number (H.264 §9.1.1, H.265 §9.2.2)."""
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)


def at_most(value: int, limit: int) -> int:
    """Return the value; MalformedParameterSet where it is above the limit."""
    if value > limit:
        raise MalformedParameterSet("A parameter set holds a number out of range.")
    return value
