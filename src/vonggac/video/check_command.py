"""`vonggac camera check`: what a camera sends, in plain words with advice, or what failed and what to do."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from vonggac.cameras.address import check_credentials
from vonggac.cameras.schemas import TRANSPORTS, check_transport, tls_pin
from vonggac.core.commands import emit, json_option
from vonggac.core.errors import Invalid, VonggacError
from vonggac.video.check import CheckReport, Findings, Step, check_camera
from vonggac.video.check_sub import RAREST_KEY_S, Concern, check_both, sub_address, sub_concerns, sub_sentence
from vonggac.video.rtsp import CameraAddress, LowerTransport

RATE_TOLERANCE = 0.05
"""Declared and sent frame rate may differ by this share."""
WANTED_KEY_S = 2
CLOCK_TOLERANCE_US = 1_000_000
LONGEST_S = 3600

_PASSWORD_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(short_help="Connect to a camera and say what is found.")
@click.argument("url")
@click.option(
    "--seconds",
    type=click.FloatRange(1, LONGEST_S),
    default=10.0,
    show_default=True,
    metavar="N",
    help="How long to watch after the first picture.",
)
@click.option(
    "--transport", type=click.Choice(TRANSPORTS), default="tcp", show_default=True, help="How the pictures travel."
)
@click.option(
    "--tls-fingerprint", default="", metavar="SHA256", help="The certificate that an rtsps:// camera must show."
)
@click.option("--sub-url", default="", metavar="URL", help="Also look at this sub-stream of it, both at once.")
@click.option("--user", default="", help="User name, when it is not in URL.")
@click.option("--password-file", type=_PASSWORD_FILE, metavar="FILE", help="File whose first line is the password.")
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep the first key frame as a small JPEG.",
)
@json_option
def check(
    url: str,
    seconds: float,
    transport: LowerTransport,
    tls_fingerprint: str,
    sub_url: str,
    user: str,
    password_file: Path | None,
    picture: Path | None,
    as_json: bool,
) -> None:
    """Connect to the camera at URL as the recorder does, and say what is found, or what fails and what to do.

    Needs no centre, and stores nothing. Told are the steps as they happen, then format, size, frame rate as declared
    and as sent, key frames, bit rate, losses, the camera's clock against this machine's, and whatever is unusual. Exit
    status 0 when the camera can be recorded, 1 when not. Of an rtsps:// camera its certificate is told, too, believed
    or not, with the fingerprint by which it can be pinned (--tls-fingerprint).

    A sub-stream (--sub-url) is played beside it from its first picture on, as it is while somebody watches, and told
    in one line; on the same host it is logged in to in the same way. It does not change the exit status.

    \b
    Examples:
      vonggac camera check rtsp://192.0.2.10/stream1 --user admin --password-file password.txt
      vonggac camera check "rtsp://admin:secret@192.0.2.11:554/live?ch=1" --seconds 60 --picture gate.jpg
      vonggac camera check rtsp://192.0.2.10/stream1 --sub-url rtsp://192.0.2.10/stream2 --user admin
      vonggac camera check rtsp://192.0.2.12/stream1 --transport udp
      vonggac camera check rtsps://192.0.2.13/stream1
    """
    import uvloop

    if picture is not None and picture.exists():
        raise Invalid(f"{picture} exists already. Give another name for the picture.")
    address = _address(url, user, password_file)
    pinned = tls_pin(tls_fingerprint)
    check_transport(transport, url, pinned)

    def tell(step: Step) -> None:
        click.echo(f"{click.style('✓', fg='green')} {step.words}")

    if not as_json:
        click.echo(f"Checking {address.redacted} (RTP over {transport.upper()})")
    how: dict[str, Any] = {
        "seconds": seconds,
        "transport": transport,
        "tls_fingerprint": pinned,
        "tell": (lambda step: None) if as_json else tell,
    }
    beside: CheckReport | None = None
    if sub_url:
        report, beside = uvloop.run(check_both(address, sub_address(sub_url, address), **how))
    else:
        report = uvloop.run(check_camera(address, **how))
    found = concerns(report) + (sub_concerns(report, beside) if beside is not None else [])
    picture_fault = _keep_picture(report, picture) if picture is not None else ""
    if as_json:
        emit(as_data(report, found, picture if not picture_fault else None, beside))
    else:
        _print(report, found, beside)
        if picture is not None and report.key_frame is not None and not picture_fault:
            click.echo(f"\nThe first key frame is in {picture}.")
    if picture_fault:
        click.echo(f"Error: {picture_fault}", err=True)
    sys.exit(0 if report.usable and not picture_fault else 1)


def concerns(report: CheckReport) -> list[Concern]:
    """Return what ought to be better with a camera that sends pictures, the weightiest first."""
    found: list[Concern] = []
    seen = report.findings
    if report.lost_packets:
        share = report.lost_packets / (report.packets + report.lost_packets)
        found.append(
            Concern(
                "loss",
                f"{report.lost_packets} of its packets are missing ({share:.2%}): pictures up to the next key frame "
                "are lost each time.",
                "Over TCP packets are lost in the camera itself: lower its bit rate, or the number of its viewers."
                if report.transport == "tcp"
                else "Over UDP they are lost on the way: look at cable and switch, or record over TCP.",
            )
        )
    if seen is not None:
        found += _of_pictures(seen)
    offset = report.clock_offset_us
    if offset is not None and abs(offset) > CLOCK_TOLERANCE_US:
        found.append(
            Concern(
                "clock",
                f"The camera's clock is {lasting(abs(offset))} {'fast' if offset > 0 else 'slow'}: so wrong is the "
                "time that it writes into its picture.",
                "Switch on NTP in the camera, and name this centre's time server there (this machine's own clock: "
                "vonggac doctor).",
            )
        )
    if report.log_in == "Basic":
        found.append(
            Concern(
                "log-in",
                "The camera takes the password unencrypted (Basic): whoever listens in the network has it.",
                "Set the camera's RTSP log-in to Digest.",
            )
        )
    return found


def _of_pictures(seen: Findings) -> list[Concern]:
    found: list[Concern] = []
    declared, sent, stamped = seen.declared_fps, seen.measured_fps, seen.stamped_fps
    if declared and sent and abs(sent / declared - 1) > RATE_TOLERANCE:
        found.append(
            Concern(
                "frame-rate",
                f"The camera declares {declared:.4g} pictures a second and sends {sent:.4g}.",
                "Set a rate that it keeps up with, also at night (a slow shutter halves the rate). It is recorded as "
                "it comes.",
            )
        )
    if stamped and sent and sent != stamped:
        found.append(
            Concern(
                "time-stamps",
                f"Its time stamps say {stamped:.4g} pictures a second, and {sent:.4g} arrive: stamps and time part.",
                "Lower its frame rate or bit rate, or the number of its viewers; a newer firmware may help.",
            )
        )
    rarest = max(seen.key_interval_max_s or 0.0, seen.longest_without_key_s)
    if rarest > RAREST_KEY_S:
        pictures = f" ({round(WANTED_KEY_S * sent)} pictures)" if sent else ""
        found.append(
            Concern(
                "key-frames",
                f"Up to {rarest:.1f} s pass without a key frame: clips, live pictures and repairs after a loss can "
                "begin only there.",
                f"Set the key-frame interval (I-frame interval, GOP) to {WANTED_KEY_S} s{pictures}, and switch off "
                "“smart” coding (H.264+, Zipstream and the like).",
            )
        )
    if seen.odd_stamps:
        found.append(
            Concern(
                "odd-stamps",
                f"{seen.odd_stamps} pictures are stamped like the one before them or jump in time.",
                "It is recorded; where its clock jumps, a new file begins. A newer firmware may help.",
            )
        )
    return found


def sentences(report: CheckReport) -> list[tuple[str, str]]:
    """Return what was found as (label, words)."""
    lines = [("camera", report.server)] if report.server else []
    seen = report.findings
    if seen is not None:
        level = f", level {seen.level}" if seen.level else ""
        scan = ", interlaced" if seen.interlaced else ""
        lines += [
            ("format", f"{seen.codec} {seen.profile}{level} ({seen.codec_string or 'no name in MP4'})"),
            ("picture", f"{seen.width} × {seen.height}{scan}"),
            ("frame rate", _rates(seen)),
            ("key frames", _key_frames(seen)),
        ]
        if seen.bits_per_s is not None:
            lines.append(
                ("bit rate", f"{seen.bits_per_s / 1e6:.2f} Mbit/s, {seen.bits_per_s / 8 * 86_400 / 1e9:.1f} GB a day")
            )
        lines.append(
            ("B-frames", "yes, pictures come in another order than they are shown" if seen.reordered else "no")
        )
        if seen.parameter_changes:
            lines.append(("changes", f"the format changed {seen.parameter_changes} times: a new file begins each time"))
    if report.packets:
        lost = "none lost" if not report.lost_packets else f"{report.lost_packets} lost"
        lines.append(("packets", f"{report.packets}, {lost}"))
        lines.append(("clock", _clock(report.clock_offset_us)))
    if (certificate := report.certificate) is not None:
        signed = "itself" if certificate.self_signed else certificate.issuer
        lines += [
            ("certificate", f"{certificate.subject}, signed by {signed}"),
            ("valid", f"{certificate.valid_from:%Y-%m-%d} to {certificate.valid_until:%Y-%m-%d}"),
            ("fingerprint", certificate.fingerprint),
        ]
    if report.sound:
        recordable = ": recorded only where its unit says so (vonggac unit edit UNIT --audio yes)"
        lines.append(("sound", f"{report.sound}{recordable if report.sound.startswith('AAC') else ''}"))
    if report.left_out:
        lines.append(("left out", f"{', '.join(report.left_out)} (only the picture is recorded)"))
    if report.oddities:
        lines.append(("tolerated", "; ".join(report.oddities)))
    return lines


def lasting(us: int) -> str:
    """Return a length of time in words with about two digits: 3.2 s, 12 min, 5.1 h, 19 years."""
    seconds = us / 1e6
    for limit, unit, size in ((60, "s", 1), (3600, "min", 60), (86_400, "h", 3600), (730 * 86_400, "days", 86_400)):
        if seconds < limit:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds / 86_400 / 365.25:.1f} years"


def as_data(
    report: CheckReport, found: list[Concern], picture: Path | None, beside: CheckReport | None = None
) -> dict[str, Any]:
    """Return a report for programs; `beside` is that of the sub-stream."""
    return {
        "url": report.address,
        "usable": report.usable,
        "failure": _failure(report),
        "steps": [{"name": step.name, "words": step.words, "after_ms": step.after_ms} for step in report.steps],
        "server": report.server,
        "log_in": report.log_in,
        "transport": report.transport,
        "certificate": report.certificate,
        "findings": None if report.findings is None else asdict(report.findings),
        "packets": report.packets,
        "lost_packets": report.lost_packets,
        "clock_offset_us": report.clock_offset_us,
        "left_out": report.left_out,
        "sound": report.sound,
        "oddities": report.oddities,
        "warnings": found,
        "picture": picture if report.key_frame is not None else None,
        "sub_stream": None
        if beside is None
        else {
            "url": beside.address,
            "usable": beside.usable,
            "failure": _failure(beside),
            "findings": None if beside.findings is None else asdict(beside.findings),
            "packets": beside.packets,
            "lost_packets": beside.lost_packets,
        },
    }


def _failure(report: CheckReport) -> dict[str, Any] | None:
    if report.usable:
        return None
    return {"reason": report.reason, "message": report.failure, "advice": report.advice}


def _address(url: str, user: str, password_file: Path | None) -> CameraAddress:
    from vonggac.org.passwords import read_password

    address = CameraAddress.parse(url)
    name = user or address.username or ""
    if password_file is not None:
        if not name:
            raise Invalid("A password needs a user: give --user too.")
        known = check_credentials(name, read_password(password_file))
        return replace(address, username=known.user, password=known.password)
    if user:
        return replace(address, username=check_credentials(user, "").user, password=address.password or "")
    return address


def _keep_picture(report: CheckReport, path: Path) -> str:
    """Write the first key frame; returns what went wrong, empty when all is well."""
    from vonggac.video.stills import jpeg_of

    unit = report.key_frame
    if unit is None:
        return ""
    try:
        jpeg = jpeg_of(unit.parameters, bytes(unit.data))
        with path.open("xb") as file:
            file.write(jpeg)
            os.fsync(file.fileno())
    except OSError as error:
        return f"{path} cannot be written: {error.strerror}."
    except VonggacError as error:
        return f"No picture was kept: {error}"
    return ""


def _print(report: CheckReport, found: list[Concern], beside: CheckReport | None) -> None:
    if report.failure:
        click.echo(f"{click.style('✗', fg='red')} {report.failure}")
        click.echo(f"  → {report.advice}")
    lines = sentences(report)
    if beside is not None:
        lines.append(("sub-stream", sub_sentence(beside)))
    if lines:
        click.echo()
    for label, words in lines:
        click.echo(f"{label:<12}{words}")
    for concern in found:
        click.echo(f"\n{click.style('!', fg='yellow')} {concern.words}\n  → {concern.advice}")
    verdict = "This camera can be recorded" if report.usable else "This camera cannot be recorded as it is"
    but = "" if not found or not report.usable else f", with {len(found)} point{'s' * (len(found) > 1)} to better"
    click.echo(f"\n{verdict}{but}.")


def _rates(seen: Findings) -> str:
    declared = f"{seen.declared_fps:.4g} a second declared" if seen.declared_fps else "none declared"
    sent = f"{seen.measured_fps:.4g} sent" if seen.measured_fps else "too few pictures to measure"
    return f"{declared}, {sent} ({seen.pictures} pictures in {seen.seconds:.1f} s)"


def _key_frames(seen: Findings) -> str:
    if seen.key_interval_min_s is None or seen.key_interval_median_s is None or seen.key_interval_max_s is None:
        return f"{seen.key_frames or 'none'} seen in {seen.seconds:.1f} s"
    low, high = f"{seen.key_interval_min_s:.2f}", f"{seen.key_interval_max_s:.2f}"
    if low == high:
        return f"every {low} s"
    return f"every {low} s to {high} s, mostly {seen.key_interval_median_s:.2f} s"


def _clock(offset_us: int | None) -> str:
    if offset_us is None:
        return "unknown: the camera sent no report of its time (RTCP sender report)"
    if abs(offset_us) < 50_000:
        return "as this machine's, within 50 ms"
    return f"the camera's is {lasting(abs(offset_us))} {'fast' if offset_us > 0 else 'slow'}"
