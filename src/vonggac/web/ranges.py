"""Which bytes of something a request asks for (RFC 9110 §14). Pure."""

from __future__ import annotations

import re

_RANGE = re.compile(r"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.IGNORECASE | re.ASCII)


class NotSatisfiable(Exception):
    """The range begins behind the end: status 416 (§15.5.17)."""


def asked_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return (first, after the last) of a single range of `size` bytes; None where all of it is to be sent.

    All of it is also what a header means that nobody can read, and several ranges (§14.2: a server may ignore them).
    """
    if header is None or (match := _RANGE.fullmatch(header)) is None:
        return None
    first, last = match[1], match[2]
    if not first and not last:
        return None
    if not first:
        suffix = min(int(last), size)
        if not suffix:
            raise NotSatisfiable
        return size - suffix, size
    begin = int(first)
    if last and int(last) < begin:
        return None
    if begin >= size:
        raise NotSatisfiable
    return begin, min(int(last) + 1, size) if last else size
