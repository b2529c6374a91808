"""Coded pictures for the tests of this folder: made by `peers.coded`, or read from real clips."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from peers.coded import Material, Recorded, Shown, decode_numbers, encode_numbers, judge, read_clip, record


@pytest.fixture(scope="session")
def plain() -> Material:
    """45 pictures in groups of 15, without B-frames."""
    return encode_numbers(45)


@pytest.fixture(scope="session")
def reordered() -> Material:
    """60 pictures in groups of 20, three B-frames between each two others, used as references themselves."""
    return encode_numbers(60, group=20, b_frames=3)


@pytest.fixture(scope="session")
def hevc() -> Material:
    """30 pictures of H.265 in groups of 15, with B-frames."""
    return encode_numbers(30, b_frames=2, codec="h265")


@pytest.fixture(scope="session")
def small() -> Material:
    """Six pictures in groups of two: a file so small that it can be cut at every byte."""
    return encode_numbers(6, group=2, crf=51)


@pytest.fixture(scope="session")
def encode() -> Callable[..., Material]:
    return encode_numbers


@pytest.fixture(scope="session")
def recorder() -> Callable[..., Recorded]:
    return record


@pytest.fixture(scope="session")
def shown_by_a_decoder() -> Callable[[Path], Shown]:
    return decode_numbers


@pytest.fixture(scope="session")
def pictures_counted_by_ffmpeg() -> Callable[[Path], int]:
    return judge


@pytest.fixture(scope="session")
def street(clip: Callable[[str], Path]) -> Material:
    """A street from a pole: Baseline, as most cameras send."""
    return read_clip(clip("street-cars.mp4"), 120)


@pytest.fixture(scope="session")
def shop(clip: Callable[[str], Path]) -> Material:
    """A shop: Main profile, with B-frames."""
    return read_clip(clip("shop-person.mp4"), 120)
