"""What a camera really sends: measured without I/O by `StreamMeasurement`, and a thin shell that plays the camera.

`check_camera` connects as the recorder does (the same client, time-outs and window) and reports each step as it goes.
No report holds a password. The words for people are made in `check_command`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any, NoReturn

from vonggac.core.i18n import N_
from vonggac.core.settings import RecorderSettings
from vonggac.video.bits import MalformedParameterSet
from vonggac.video.mp4 import UnusableParameters, codec_string, init_segment
from vonggac.video.recorder.played_stream import ASSUMED_BITS_PER_S
from vonggac.video.recorder.stamps import JUMP_TICKS
from vonggac.video.rtsp import (
    CameraAddress,
    LowerTransport,
    Reason,
    RtspConnection,
    RtspError,
    RtspSession,
    StreamDescription,
    hevc_sps,
    receive_window,
)
from vonggac.video.rtsp.certificates import Certificate, read_certificate
from vonggac.video.rtsp.connecting import shown_certificate
from vonggac.video.rtsp.sps import SPS, parse_sps
from vonggac.video.stream import VIDEO_TIMESCALE, AccessUnit, VideoParameters

TICK_S = 1.0
"""How often it is looked whether the connection lives: as often as the recorder does."""

_DRIFT_SHARE = 0.04
"""Stamps and arrivals that part by more are not network jitter any more."""
_DRIFT_FROM_S = 6

_PROFILES = {
    66: "Baseline", 77: "Main", 88: "Extended", 100: "High", 110: "High 10", 122: "High 4:2:2",
    244: "High 4:4:4 Predictive", 44: "CAVLC 4:4:4 Intra", 83: "Scalable Baseline", 86: "Scalable High",
}  # fmt: skip
"""ITU-T H.264 annex A and G."""
_HEVC_PROFILES = {
    1: "Main", 2: "Main 10", 3: "Main Still Picture", 4: "Range Extensions", 5: "High Throughput", 9: "Screen Content",
}  # fmt: skip
"""ITU-T H.265 annex A."""
ADVICE: dict[Reason, str] = {
    "refused": N_("Try whether it answers at all (ping), and look up its RTSP port in its own web page."),
    "unauthorised": N_(
        "Try them on the camera's own web page. Many cameras lock themselves for some minutes after a few wrong "
        "passwords."
    ),
    "not_found": N_("The path is the maker's: look for the RTSP address in the camera's web page or handbook."),
    "timed_out": N_("Restart the camera if its web page is just as silent; else look at the network between."),
    "stalled": N_("Restart the camera; look whether it allows another viewer (some allow two or three)."),
    "no_key_frame": N_("Set the key-frame (I-frame) interval to 1 to 2 s in the camera's web page."),
    "closed": N_("Look whether the camera allows another viewer (some allow two or three), and restart it."),
    "protocol": N_("Is this really the address of a camera? A newer firmware of the maker may help."),
    "untrusted": N_(
        "Look up the fingerprint in the camera's own web page. If it is the one below, it is this camera's."
    ),
    "unsupported": N_(
        "Try the setting where one is named; else change the video format in the camera's web page, or give the "
        "address of another of its streams."
    ),
}
_HOW_TO_MAKE_ROOM = N_("End other viewers of it. Some cameras keep dead ones for a minute: then try again.")
_HOW_TO_LOG_IN = "Or give them apart from it, unseen by others: --user NAME --password-file FILE"


@dataclass(frozen=True, slots=True)
class Findings:
    """What the pictures of a stream were like. Times in seconds of the camera's own clock."""

    pictures: int
    seconds: float
    codec: str
    codec_string: str
    """As in RFC 6381: avc1.4D401F; empty where it cannot be told."""
    profile: str
    level: str
    width: int
    height: int
    interlaced: bool
    declared_fps: float | None
    stamped_fps: float | None
    """By the camera's time stamps."""
    measured_fps: float | None
    """By what arrived: another figure than `stamped_fps` where stamps and arrivals part."""
    key_frames: int
    key_interval_min_s: float | None
    key_interval_median_s: float | None
    key_interval_max_s: float | None
    longest_without_key_s: float
    """Also counts the time before the first key frame and after the last."""
    bits_per_s: float | None
    reordered: bool
    """B-frames: pictures came in another order than they are shown."""
    lost_packets: int
    parameter_changes: int
    odd_stamps: int
    """Pictures stamped like the one before, or jumping by more than 5 s."""


class StreamMeasurement:
    """Measures a stream picture by picture; keeps figures only, some bytes a second."""

    def __init__(self) -> None:
        self.pictures = 0
        self.key_frames = 0
        self.parameters: VideoParameters | None = None
        self._bytes = 0
        self._lost = 0
        self._changes = 0
        self._odd = 0
        self._reordered = False
        self._last: AccessUnit | None = None
        # Stretches between jumps of the camera's clock: sums of those that are over, and the bounds of this one.
        self._ticks_before = 0
        self._steps_before = 0
        self._low = self._high = self._in_stretch = 0
        self._key_steps: list[int] = []
        self._key_pts: int | None = None
        self._longest_keyless = 0
        self._jumped = False
        self._first_arrival_ns = 0
        self._least_delay_us: list[int] = []
        """For each second of arrival the least of (arrival - time stamp): nothing arrives early."""

    def add(self, unit: AccessUnit) -> None:
        """Take the next picture in decoding order."""
        last, self._last = self._last, unit
        self.pictures += 1
        self._bytes += len(unit.data)
        self._lost += unit.lost_before
        if self.parameters is not None and unit.parameters != self.parameters:
            self._changes += 1
        self.parameters = unit.parameters
        if last is None:
            self._first_arrival_ns = unit.arrived_ns
            self._begin_stretch(unit)
        else:
            self._follow(last, unit)
        if unit.key:
            self.key_frames += 1
            if self._key_pts is not None:
                self._key_steps.append(unit.pts - self._key_pts)
            self._key_pts = unit.pts
        self._note_arrival(unit)

    def findings(self) -> Findings | None:
        """Return what was found; None before the first picture."""
        parameters = self.parameters
        if parameters is None:
            return None
        ticks = self._ticks_before + self._high - self._low
        steps = self._steps_before + self._in_stretch - 1
        seconds = ticks / VIDEO_TIMESCALE
        stamped = steps / seconds if steps > 0 and ticks > 0 else None
        profile, level, interlaced = describe_sps(parameters)
        intervals = [step / VIDEO_TIMESCALE for step in self._key_steps]
        return Findings(
            pictures=self.pictures,
            seconds=round(seconds, 3),
            codec={"h264": "H.264", "h265": "H.265"}.get(parameters.codec, parameters.codec),
            codec_string=_codec_string(parameters),
            profile=profile,
            level=level,
            width=parameters.width,
            height=parameters.height,
            interlaced=interlaced,
            declared_fps=parameters.declared_fps,
            stamped_fps=stamped,
            measured_fps=None if stamped is None else stamped * (1 - self._drift()),
            key_frames=self.key_frames,
            key_interval_min_s=min(intervals, default=None),
            key_interval_median_s=median(intervals) if intervals else None,
            key_interval_max_s=max(intervals, default=None),
            longest_without_key_s=max(self._longest_keyless, self._keyless()) / VIDEO_TIMESCALE,
            # The last picture has no successor: the others' share of the time is taken for it, too.
            bits_per_s=self._bytes * 8 / seconds * steps / (steps + 1) if stamped is not None else None,
            reordered=self._reordered,
            lost_packets=self._lost,
            parameter_changes=self._changes,
            odd_stamps=self._odd,
        )

    def _begin_stretch(self, unit: AccessUnit) -> None:
        self._low = self._high = unit.pts
        self._in_stretch = 1
        self._key_pts = None

    def _follow(self, last: AccessUnit, unit: AccessUnit) -> None:
        arrived = (unit.arrived_ns - last.arrived_ns) * VIDEO_TIMESCALE // 1_000_000_000
        step = unit.pts - last.pts
        if step - arrived > JUMP_TICKS or step < -JUMP_TICKS:
            self._odd += 1
            self._jumped = True
            self._longest_keyless = max(self._longest_keyless, self._keyless())
            self._ticks_before += self._high - self._low
            self._steps_before += self._in_stretch - 1
            self._begin_stretch(unit)
            return
        if unit.pts == last.pts:
            self._odd += 1
        elif unit.pts < self._high:
            self._reordered = True
        if unit.key:
            self._longest_keyless = max(self._longest_keyless, unit.pts - self._keyless_since())
        self._high = max(self._high, unit.pts)
        self._low = min(self._low, unit.pts)
        self._in_stretch += 1

    def _keyless_since(self) -> int:
        return self._low if self._key_pts is None else self._key_pts

    def _keyless(self) -> int:
        return max(0, self._high - self._keyless_since())

    def _note_arrival(self, unit: AccessUnit) -> None:
        second = (unit.arrived_ns - self._first_arrival_ns) // 1_000_000_000
        delay_us = unit.arrived_ns // 1000 - unit.pts * 1_000_000 // VIDEO_TIMESCALE
        least = self._least_delay_us
        if second >= len(least):
            least.append(delay_us)  # seconds without a picture are left out: a stall is told elsewhere
        else:
            least[-1] = min(least[-1], delay_us)

    def _drift(self) -> float:
        """By what share arrivals are slower than stamps; 0 within jitter or where unknown.

        Seconds are compared with those half the time later: a burst of old pictures at the start changes little.
        """
        least = self._least_delay_us[:-1]  # the last second is not over
        half = len(least) // 2
        if self._jumped or len(least) < _DRIFT_FROM_S:
            return 0.0
        apart_us = (len(least) - half) * 1_000_000
        share = median((late - early) / apart_us for early, late in zip(least[:half], least[-half:], strict=True))
        return share if _DRIFT_SHARE < abs(share) < 1 else 0.0


def describe_sps(parameters: VideoParameters) -> tuple[str, str, bool]:
    """Return (profile, level, interlaced) of a stream in words (ITU-T H.264, H.265 annex A); empty where unknown."""
    if parameters.codec == "h265":
        return _describe_hevc(parameters)
    sps = next((one for one in parameters.sets if one and one[0] & 31 == SPS), b"")
    if parameters.codec != "h264" or len(sps) < 4:
        return "", "", False
    profile, constraints, level = sps[1:4]
    name = _PROFILES.get(profile, f"profile {profile}")
    if profile == 66 and constraints & 0x40:
        name = "Constrained Baseline"
    # Level 1b goes by 9 in the newer profiles and by 11 with constraint_set3_flag in the older ones.
    is_1b = level == 9 or (level == 11 and constraints & 0x10 and profile in (66, 77, 88))
    try:
        interlaced = not parse_sps(sps).frame_mbs_only
    except MalformedParameterSet:
        interlaced = False
    return name, "1b" if is_1b else f"{level / 10:.1f}", interlaced


def _describe_hevc(parameters: VideoParameters) -> tuple[str, str, bool]:
    sps = next((one for one in parameters.sets if one and one[0] >> 1 & 63 == hevc_sps.SPS), b"")
    try:
        said = hevc_sps.parse_sps(sps)
    except MalformedParameterSet:
        return "", "", False
    name = _HEVC_PROFILES.get(said.profile, f"profile {said.profile}")
    return name, f"{said.level / 30:.1f}{' High tier' if said.high_tier else ''}", said.interlaced


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a check, as it happened."""

    name: str
    """`connect`, `encryption`, `log-in`, `description`, `play`, `picture` or `measure`."""
    message: str
    """What happened, as the catalog knows it; `values` fill its places."""
    after_ms: int
    """Since the check began."""
    values: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """What happened, in English."""
        return self.message.format(**self.values)


@dataclass(slots=True)
class CheckReport:
    """Everything a check found out."""

    address: str
    """Without credentials."""
    steps: list[Step] = field(default_factory=list)
    reason: Reason | None = None
    """Why the camera cannot be recorded; None where it can."""
    failure: str = ""
    advice: str = ""
    server: str = ""
    log_in: str = ""
    transport: LowerTransport = "tcp"
    certificate: Certificate | None = None
    """What an rtsps camera has shown, believed or not."""
    left_out: tuple[str, ...] = ()
    sound: str = ""
    """What sound the camera offers, or why it cannot be recorded; empty where it has none."""
    oddities: tuple[str, ...] = ()
    packets: int = 0
    lost_packets: int = 0
    clock_offset_us: int | None = None
    """Camera's clock minus this machine's; None where it sends no reports."""
    findings: Findings | None = None
    key_frame: AccessUnit | None = None
    """The first one."""

    @property
    def usable(self) -> bool:
        """True when the recorder can record what came."""
        return self.reason is None

    def fail(self, reason: Reason, failure: str, advice: str = "") -> None:
        """The camera cannot be recorded, for this reason and in these words."""
        self.reason, self.failure, self.advice = reason, failure, advice or ADVICE[reason]


async def check_camera(
    address: CameraAddress,
    *,
    seconds: float,
    transport: LowerTransport = "tcp",
    tls_fingerprint: str = "",
    tell: Callable[[Step], None] = lambda step: None,
    settings: RecorderSettings | None = None,
    now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
) -> CheckReport:
    """Play a camera for `seconds` after its first picture and report; whatever the camera does, nothing is raised.

    `tell` hears of each step when it is done. `tls_fingerprint` pins the certificate of an rtsps camera.
    """
    check = _Check(address, transport, tls_fingerprint, tell, settings or RecorderSettings())
    try:
        await check.play(seconds)
    except RtspError as error:
        without = error.reason == "unauthorised" and address.username is None
        advice = _HOW_TO_LOG_IN if without else _HOW_TO_MAKE_ROOM if error.full else ""
        check.report.fail(error.reason, str(error), advice)
        if error.reason == "untrusted":
            await check.look_at_certificate()
    check.sum_up(now_us)
    if check.report.usable:
        _judge(check.report, seconds)
    return check.report


class _Check:
    """One run of `check_camera`."""

    def __init__(
        self,
        address: CameraAddress,
        transport: LowerTransport,
        tls_fingerprint: str,
        tell: Callable[[Step], None],
        settings: RecorderSettings,
    ) -> None:
        self.report = CheckReport(address.redacted, transport=transport)
        self._address = address
        self._tls_fingerprint = tls_fingerprint
        self._tell = tell
        self._settings = settings
        self._began = time.monotonic()
        self._measurement = StreamMeasurement()
        self._first_picture = asyncio.Event()
        self._session: RtspSession | None = None

    async def play(self, seconds: float) -> None:
        """Go through all steps; RtspError where one fails."""
        settings = self._settings
        connection = await RtspConnection.open(
            self._address,
            transport=self.report.transport,
            tls_fingerprint=self._tls_fingerprint,
            on_access_unit=self._take,
            window=receive_window(settings.read_pause_ms / 1000, ASSUMED_BITS_PER_S),
            connect_timeout=settings.connect_timeout_seconds,
            stall_timeout=settings.stall_seconds,
            on_connected=self._connected,
        )
        async with connection:
            if connection.encryption:
                self._encrypted(connection.encryption, read_certificate(connection.certificate))
            self._plays(connection.session.description)
            connection.read_promptly()
            ended = asyncio.ensure_future(connection.ended())
            try:
                await self._watch(connection, ended, seconds)
            finally:
                ended.cancel()
                with contextlib.suppress(asyncio.CancelledError, RtspError):
                    await ended

    def sum_up(self, now_us: Callable[[], int]) -> None:
        """Put what was seen into the report, also where it ended in a failure."""
        report, session = self.report, self._session
        report.findings = self._measurement.findings()
        if session is None:
            return
        description = session.description
        report.server, report.log_in, report.left_out = (
            description.server,
            description.authentication,
            description.left_out,
        )
        report.oddities = tuple(sorted(session.oddities - {f"{track} left out" for track in description.left_out}))
        report.sound = description.sound_offered
        report.packets, report.lost_packets = session.packets, session.lost
        if (last := session.last_sender_report) is not None:
            arrived_us = now_us() - (time.monotonic_ns() - last.arrived_ns) // 1000
            report.clock_offset_us = last.report.ntp_unix_us - arrived_us

    async def _watch(self, connection: RtspConnection, ended: asyncio.Future[NoReturn], seconds: float) -> None:
        """Wait for the first picture, then for so many seconds; RtspError when the connection ends before."""
        playing = time.monotonic()
        first = asyncio.ensure_future(self._first_picture.wait())
        try:
            while not first.done():
                await self._look(connection, {ended, first}, TICK_S)
        finally:
            first.cancel()
        until = time.monotonic() + seconds
        first_ms = round((until - seconds - playing) * 1000)
        self._step("picture", N_("The first picture came after {ms} ms"), ms=first_ms)
        while (left := until - time.monotonic()) > 0:
            await self._look(connection, {ended}, min(TICK_S, left))
        self._step("measure", N_("Watched for {seconds} s"), seconds=f"{seconds:g}")

    @staticmethod
    async def _look(connection: RtspConnection, events: Collection[asyncio.Future[Any]], pause_s: float) -> None:
        await asyncio.wait(events, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
        if not connection.check_alive():
            await connection.ended()

    def _connected(self, session: RtspSession) -> None:
        self._session = session
        message = N_("Connected to {host}, port {port}")
        self._step("connect", message, host=self._address.host, port=self._address.port)

    async def look_at_certificate(self) -> None:
        """Put into the report what the camera shows, for a person to compare; nothing is sent to it."""
        with contextlib.suppress(RtspError, TimeoutError):
            async with asyncio.timeout(self._settings.connect_timeout_seconds):
                der, _ = await shown_certificate(self._address)
            self.report.certificate = read_certificate(der)

    def _encrypted(self, version: str, certificate: Certificate) -> None:
        self.report.certificate = certificate
        if self._tls_fingerprint:
            self._step("encryption", N_("Encrypted ({version}), believed by its pinned certificate"), version=version)
        else:
            message = N_("Encrypted ({version}), believed by a certificate of {issuer}")
            self._step("encryption", message, version=version, issuer=certificate.issuer)

    def _plays(self, description: StreamDescription) -> None:
        kind = description.authentication
        self._step("log-in", N_("No log-in asked for") if kind == "none" else N_("Logged in ({kind})"), kind=kind)
        if others := ", ".join(description.left_out):
            message = N_("Described: video {codec}; left out: {others}")
            self._step("description", message, codec=description.codec.upper(), others=others)
        else:
            self._step("description", N_("Described: video {codec}"), codec=description.codec.upper())
        message = N_("Playing (the session ends {seconds} s after our last sign of life)")
        self._step("play", message, seconds=description.session_timeout_s)

    def _take(self, unit: AccessUnit) -> None:
        self._first_picture.set()
        if unit.key and self.report.key_frame is None:
            self.report.key_frame = unit
        self._measurement.add(unit)

    def _step(self, name: str, message: str, **values: str | int) -> None:
        step = Step(name, message, round((time.monotonic() - self._began) * 1000), values)
        self.report.steps.append(step)
        self._tell(step)


def _judge(report: CheckReport, seconds: float) -> None:
    """Fail a camera that plays what is of no use."""
    if report.key_frame is None:
        report.fail(
            "unsupported",
            f"No key frame came in {seconds:g} s, and a recording can begin only with one.",
            N_("Set the key-frame interval (I-frame interval, GOP) in the camera to 2 s, or check longer."),
        )
        return
    try:
        init_segment(report.key_frame.parameters, presentation_delay=0)
    except UnusableParameters as error:
        report.fail("unsupported", str(error))


def _codec_string(parameters: VideoParameters) -> str:
    try:
        return codec_string(parameters)
    except UnusableParameters:
        return ""
