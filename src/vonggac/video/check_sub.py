"""A camera's two streams checked side by side, as the recorder plays them, and what is told of the smaller one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from vonggac.video.check import CheckReport, Findings, Step, check_camera
from vonggac.video.rtsp import CameraAddress, LowerTransport

LONGEST_S = 10.0
"""So long the sub-stream is watched at most: it is not recorded."""
RAREST_KEY_S = 4.0
"""Key frames further apart make the first live picture late, and clips inexact."""


@dataclass(frozen=True, slots=True)
class Concern:
    """What is recorded all the same, but ought to be better."""

    kind: str
    words: str
    advice: str


def sub_address(url: str, main: CameraAddress) -> CameraAddress:
    """Return the address of a sub-stream; on the main stream's host it is logged in to as that is."""
    address = CameraAddress.parse(url)
    if address.username is None and address.host.lower() == main.host.lower():
        return replace(address, username=main.username, password=main.password)
    return address


async def check_both(
    main: CameraAddress,
    sub: CameraAddress,
    *,
    seconds: float,
    transport: LowerTransport,
    tls_fingerprint: str,
    tell: Callable[[Step], None],
) -> tuple[CheckReport, CheckReport | None]:
    """Check a camera, and from its first picture on its sub-stream beside it; None where it did not come so far."""
    plays = asyncio.Event()

    def hear(step: Step) -> None:
        tell(step)
        if step.name == "picture":
            plays.set()

    def check(address: CameraAddress, for_s: float, hears: Callable[[Step], None]) -> asyncio.Task[CheckReport]:
        return asyncio.create_task(
            check_camera(address, seconds=for_s, transport=transport, tls_fingerprint=tls_fingerprint, tell=hears)
        )

    checked = check(main, seconds, hear)
    playing = asyncio.create_task(plays.wait())
    await asyncio.wait({checked, playing}, return_when=asyncio.FIRST_COMPLETED)
    playing.cancel()
    if not plays.is_set():
        return await checked, None
    beside = check(sub, min(seconds, LONGEST_S), lambda step: None)
    return await checked, await beside


def sub_sentence(report: CheckReport) -> str:
    """Return what the sub-stream is like, or that it cannot be played."""
    seen = report.findings
    if not report.usable or seen is None:
        return f"cannot be played: {report.failure}"
    parts = [f"{seen.codec} {seen.profile}".strip(), f"{seen.width} × {seen.height}"]
    if seen.measured_fps:
        parts.append(f"{seen.measured_fps:.3g} pictures a second")
    if seen.key_interval_median_s:
        parts.append(f"a key frame every {seen.key_interval_median_s:.1f} s")
    if seen.bits_per_s:
        parts.append(f"{seen.bits_per_s / 1e6:.2f} Mbit/s")
    return ", ".join(parts)


def sub_concerns(main: CheckReport, sub: CheckReport) -> list[Concern]:
    """Return what ought to be better with the sub-stream, for a wall of many tiles."""
    if main.reason in ("closed", "stalled"):
        words = "It ended its main stream when its sub-stream was asked for: it may not stand both at once."
        return [
            Concern("sub-stream", words, "Check it without --sub-url. If it is well then, leave its sub-stream out.")
        ]
    if not sub.usable:
        return [Concern("sub-stream", f"Its sub-stream cannot be played: {sub.failure}", sub.advice)]
    found: list[Concern] = []
    if sub.findings is not None:
        found += _of_pictures(sub.findings, main.findings)
    return found


def _of_pictures(seen: Findings, main: Findings | None) -> list[Concern]:
    found: list[Concern] = []
    if seen.codec == "H.265":
        found.append(
            Concern(
                "sub-stream-codec",
                "Its sub-stream is H.265, which not every browser shows.",
                "Set the sub-stream to H.264: tiles then move in every browser.",
            )
        )
    if main is not None and seen.width * seen.height >= main.width * main.height:
        found.append(
            Concern(
                "sub-stream-size",
                f"Its sub-stream is as large as its main stream ({seen.width} × {seen.height}): it spares nothing.",
                "Set the sub-stream to about 640 × 360, or leave it out.",
            )
        )
    rarest = max(seen.key_interval_max_s or 0.0, seen.longest_without_key_s)
    if rarest > RAREST_KEY_S:
        found.append(
            Concern(
                "sub-stream-key-frames",
                f"Up to {rarest:.1f} s pass without a key frame in its sub-stream: so late is a tile's first picture.",
                "Set the sub-stream's key-frame interval (I-frame interval, GOP) to 2 s.",
            )
        )
    return found
