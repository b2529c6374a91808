"""Damage: what a valid input is turned into. Blind to what it means, but not to how such inputs are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

LIMIT = 96 * 1024
"""Bytes of one input: beyond every limit of a message, so that the limits are met too."""

_NUMBERS = (0, 1, 3, 4, 7, 13, 14, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFF_FFFF, 0x8000_0000)
_NUMBERS += (0xFFFF_FFFE, 0xFFFF_FFFF)
_WRITTEN = (b"0", b"-1", b"1", b"255", b"256", b"65535", b"65536", b"99999999", b"4294967296", b"1e999", b"0x7f", b"")
_WRITTEN += (b"9" * 30, "٣".encode(), b"1.5", b"NaN")

Mutation = Callable[[bytearray, Random, Sequence[bytes]], None]


def mutated(data: bytes, rng: Random, others: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    """Return the input with one to four damages, or rarely a dozen; `others` to splice with, `tokens` to put in."""
    out = bytearray(data)
    times = 1 + int(rng.random() * 4) if rng.random() < 0.95 else 12
    for _ in range(times):
        mutation = MUTATIONS[int(rng.random() * len(MUTATIONS))]
        mutation(out, rng, tokens if mutation is _token else others)
    del out[LIMIT:]
    return bytes(out)


def _place(out: bytearray, rng: Random) -> int:
    # Heads stand at the beginning, and what they decide is worth more than what comes after.
    return int(len(out) * (rng.random() if rng.random() < 0.6 else rng.random() ** 3))


def _span(out: bytearray, rng: Random) -> tuple[int, int]:
    at = _place(out, rng)
    return at, min(len(out), at + 1 + int(rng.random() ** 3 * min(len(out), 4096)))


def _flip_bit(out: bytearray, rng: Random, others: Sequence[bytes]) -> None:
    if out:
        out[_place(out, rng)] ^= 1 << int(rng.random() * 8)


def _set_byte(out: bytearray, rng: Random, others: Sequence[bytes]) -> None:
    if out:
        out[_place(out, rng)] = int(rng.random() * 256)


def _insert(out: bytearray, rng: Random, others: Sequence[bytes]) -> None:
    at = _place(out, rng)
    out[at:at] = rng.randbytes(1 + int(rng.random() ** 3 * 64))


def _delete(out: bytearray, rng: Random, others: Sequence[bytes]) -> None:
    at, end = _span(out, rng)
    del out[at:end]


def _double(out: bytearray, rng: Random, others: Sequence[bytes]) -> None:
    at, end = _span(out, rng)
    out[end:end] = out[at:end]


def _repeat(out: bytearray, rng: Random, others: Sequence[bytes]) -> None:
    """Many times the same: what costs more than it is long shows here."""
    at, end = _span(out, rng)
    part = out[at : min(end, at + 64)]
    if part and rng.random() < 0.2:
        out[at:at] = part * int(rng.random() ** 2 * 30_000 / len(part))
    else:
        out[at:at] = part * int(rng.random() * 8)


def _truncate(out: bytearray, rng: Random, others: Sequence[bytes]) -> None:
    del out[int(len(out) * rng.random()) :]


def _behead(out: bytearray, rng: Random, others: Sequence[bytes]) -> None:
    del out[: int(len(out) * rng.random() ** 4)]


def _move(out: bytearray, rng: Random, others: Sequence[bytes]) -> None:
    at, end = _span(out, rng)
    part = out[at:end]
    del out[at:end]
    to = _place(out, rng)
    out[to:to] = part


def _splice(out: bytearray, rng: Random, others: Sequence[bytes]) -> None:
    other = others[int(rng.random() * len(others))]
    at, from_ = _place(out, rng), int(rng.random() * len(other))
    if rng.random() < 0.5:
        out[at:] = other[from_:]
    else:
        part = other[from_ : from_ + 1 + int(rng.random() ** 2 * 512)]
        out[at:at] = part


def _number(out: bytearray, rng: Random, others: Sequence[bytes]) -> None:
    """A length or a count, big-endian, of 1 to 8 bytes: an extreme one, or one a little off."""
    size = (1, 2, 2, 2, 4, 4, 8)[int(rng.random() * 7)]
    at = _place(out, rng)
    if at + size > len(out):
        return
    if rng.random() < 0.5:
        number = int.from_bytes(out[at : at + size], "big") + int(rng.random() * 9) - 4
    else:
        number = _NUMBERS[int(rng.random() * len(_NUMBERS))]
    out[at : at + size] = (number & ((1 << 8 * size) - 1)).to_bytes(size, "big")


def _written_number(out: bytearray, rng: Random, others: Sequence[bytes]) -> None:
    """A number in digits."""
    start = at = _place(out, rng)
    while at < len(out) and not 0x30 <= out[at] <= 0x39 and at < start + 200:
        at += 1
    end = at
    while end < len(out) and 0x30 <= out[end] <= 0x39:
        end += 1
    if end > at:
        out[at:end] = _WRITTEN[int(rng.random() * len(_WRITTEN))]


def _token(out: bytearray, rng: Random, tokens: Sequence[bytes]) -> None:
    if tokens:
        at = _place(out, rng)
        end = at + (int(rng.random() * 16) if rng.random() < 0.5 else 0)
        out[at:end] = tokens[int(rng.random() * len(tokens))]


def _swap_lines(out: bytearray, rng: Random, others: Sequence[bytes]) -> None:
    """Header lines in another order, or one twice."""
    lines = bytes(out).split(b"\r\n")
    if len(lines) > 2:
        one, two = int(rng.random() * len(lines)), int(rng.random() * len(lines))
        if rng.random() < 0.7:
            lines[one], lines[two] = lines[two], lines[one]
        else:
            lines.insert(one, lines[two])
        out[:] = b"\r\n".join(lines)


def _shuffle_packets(out: bytearray, rng: Random, others: Sequence[bytes]) -> None:
    """Interleaved packets lost, doubled, late, cut, or with another sequence number, time stamp or marker."""
    start = out.find(b"$")
    if start < 0 or start + 4 > len(out):
        return
    at, places = start, []
    while at + 4 <= len(out) and out[at] == 0x24 and len(places) < 2000:
        end = at + 4 + (out[at + 2] << 8 | out[at + 3])
        if end > len(out):
            break
        places.append((at, end))
        at = end
    if len(places) < 2:
        return
    at, end = places[int(rng.random() * len(places))]
    packet = out[at:end]
    what = int(rng.random() * 6)
    if what == 0:
        del out[at:end]
    elif what == 1:
        out[end:end] = packet
    elif what == 2:
        del out[at:end]
        to = start if rng.random() < 0.5 else places[int(rng.random() * len(places))][0]
        to = min(to, len(out))
        out[to:to] = packet
    elif what == 3 and len(packet) > 20:
        packet = packet[: 5 + int(rng.random() * (len(packet) - 5))]
        packet[2:4] = (len(packet) - 4).to_bytes(2, "big")
        out[at:end] = packet
    elif len(packet) > 18:
        out[at + 4 + int(rng.random() * 14)] ^= 1 << int(rng.random() * 8)


MUTATIONS: tuple[Mutation, ...] = (
    _flip_bit, _flip_bit, _set_byte, _insert, _delete, _double, _repeat, _truncate, _behead, _move, _splice, _splice,
    _number, _number, _written_number, _token, _token, _swap_lines, _shuffle_packets, _shuffle_packets,
)  # fmt: skip
