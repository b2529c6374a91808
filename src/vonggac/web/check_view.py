"""What a check of a camera found, in the reader's words."""

from __future__ import annotations

import msgspec

from vonggac.core.clock import MICROSECONDS
from vonggac.core.i18n import N_
from vonggac.shell.words import NOTHING, Words
from vonggac.video.check import CheckReport, Findings
from vonggac.video.check_command import concerns
from vonggac.video.health import REASON_WORDS
from vonggac.web.camera_checks import Check

STEP_WORDS = {
    "connect": N_("Connect"),
    "encryption": N_("Encryption"),
    "log-in": N_("Log-in"),
    "description": N_("Description of the stream"),
    "play": N_("Play"),
    "picture": N_("First picture"),
    "measure": N_("Measure"),
}
CONCERN_WORDS = {
    "loss": N_("Packets are lost: look at cable and switch, or lower the camera's bit rate."),
    "clock": N_("The camera's clock is wrong: switch on NTP in the camera, and name this centre's time server there."),
    "log-in": N_("The camera takes the password unencrypted (Basic): set its RTSP log-in to Digest."),
    "frame-rate": N_("The camera sends another number of pictures than it declares: set a rate that it keeps up with."),
    "time-stamps": N_("Its time stamps and what arrives part: lower its frame rate or bit rate."),
    "key-frames": N_("Key frames are rare: set the key-frame interval (I-frame, GOP) to 2 s, smart coding off."),
    "odd-stamps": N_("Some pictures are stamped oddly or jump in time. It is recorded; a newer firmware may help."),
}
_WITHOUT_LOG_IN = N_("Type user name and password of the camera.")
_CLOCK_RIGHT_US = MICROSECONDS // 2


class StepLine(msgspec.Struct):
    """A step that was done."""

    name: str
    label: str
    words: str


class Found(msgspec.Struct):
    """A line of what was found."""

    label: str
    value: str


class Failure(msgspec.Struct):
    """Why the camera cannot be recorded, what to do, and the exact words of whoever noticed."""

    reason: str
    words: str
    advice: str
    detail: str


class CheckView(msgspec.Struct):
    """A check as it stands."""

    id: str
    running: bool
    usable: bool
    verdict: str
    steps: list[StepLine]
    failure: Failure | None
    found: list[Found]
    concerns: list[str]
    fingerprint: str
    picture: str
    """Where the first picture is; empty without one."""


def check_view(words: Words, check: Check) -> CheckView:
    """Return what is known of a check so far."""
    report = check.report
    steps = [
        StepLine(step.name, words.say(STEP_WORDS[step.name]), words.say(step.message, **step.values))
        for step in list(check.steps)
    ]
    view = CheckView(check.id, report is None, False, "", steps, None, [], [], "", "")
    if report is None:
        return view
    view.usable = report.usable
    view.concerns = [words.say(CONCERN_WORDS.get(one.kind, one.words)) for one in concerns(report)]
    view.found = _found(words, report)
    view.fingerprint = report.certificate.fingerprint if report.certificate is not None else ""
    view.picture = f"/api/cameras/checks/{check.id}/picture.jpg" if check.jpeg is not None else ""
    if report.reason is not None:
        advice = report.advice
        if report.reason == "unauthorised" and check.address.credentials is None:
            advice = _WITHOUT_LOG_IN
        view.failure = Failure(report.reason, words.say(REASON_WORDS[report.reason]), words.say(advice), report.failure)
        view.verdict = words.say("This camera cannot be recorded as it is.")
    elif view.concerns:
        view.verdict = words.say("This camera can be recorded. Something ought to be better.")
    else:
        view.verdict = words.say("This camera can be recorded.")
    return view


def _found(words: Words, report: CheckReport) -> list[Found]:
    lines: list[tuple[str, str]] = []
    seen = report.findings
    if seen is not None:
        lines += [
            (words.say("Video format"), f"{seen.codec} {seen.profile}".strip()),
            (words.say("Picture size"), f"{seen.width}×{seen.height}"),
            (words.say("Pictures a second"), _rate(words, seen)),
            (words.say("Key frames"), _key_frames(words, seen)),
            (words.say("Bit rate"), words.rate(seen.bits_per_s or 0)),
        ]
    if report.packets:
        lines.append((words.say("Lost packets"), words.number(report.lost_packets)))
        lines.append((words.say("Clock of the camera"), _clock(words, report.clock_offset_us)))
    if report.certificate is not None:
        lines.append((words.say("Certificate"), report.certificate.subject))
        lines.append((words.say("Certificate fingerprint"), report.certificate.fingerprint))
    if report.sound:
        lines.append((words.say("Sound"), report.sound))
    if report.server:
        lines.append((words.say("Camera"), report.server))
    return [Found(label, value or NOTHING) for label, value in lines]


def _rate(words: Words, seen: Findings) -> str:
    return words.number(seen.measured_fps, 1) if seen.measured_fps else NOTHING


def _key_frames(words: Words, seen: Findings) -> str:
    if seen.key_interval_median_s is None:
        return words.number(seen.key_frames)
    return words.say("every {seconds} s", seconds=words.number(seen.key_interval_median_s, 1))


def _clock(words: Words, offset_us: int | None) -> str:
    if offset_us is None:
        return words.say("unknown: it sends no reports of its time")
    if abs(offset_us) < _CLOCK_RIGHT_US:
        return words.say("right")
    lasts = words.duration(abs(offset_us))
    return words.say("{time} fast", time=lasts) if offset_us > 0 else words.say("{time} slow", time=lasts)
