"""Stretches of time as (start, end), half open: what is left of some when others are taken out, how long they last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

Span = tuple[int, int]


def without(spans: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """Return what is left of the spans (in order, without overlap) when others are taken out."""
    covers = sorted(span for span in taken if span[0] < span[1])
    left: list[Span] = []
    first = 0
    for start, end in spans:
        at = start
        while first < len(covers) and covers[first][1] <= start:
            first += 1
        for cover in islice(covers, first, None):
            if cover[0] >= end:
                break
            if cover[0] > at:
                left.append((at, cover[0]))
            at = max(at, cover[1])
        if at < end:
            left.append((at, end))
    return left


def clipped(spans: Iterable[Span], within: Span) -> Iterator[Span]:
    """Yield the spans as far as they lie within another; what lies outside is left out."""
    for start, end in spans:
        cut = max(start, within[0]), min(end, within[1])
        if cut[0] < cut[1]:
            yield cut


def joined(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order, those that overlap or touch made one."""
    result: list[Span] = []
    for start, end in sorted(spans):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((start, end))
    return result


def length(spans: Iterable[Span]) -> int:
    """Return how long spans last together."""
    return sum(end - start for start, end in spans)
