"""Whom an rtsps:// camera is believed to be: its certificate, checked or pinned, and the words where it fails.

Without a pin the certificate must be issued by an authority this machine trusts, be valid now, and name the host of
the address. With one (the SHA-256 of the whole certificate) exactly that certificate is believed, whatever else it
says: cameras sign their own, often for a name and a time of their own. There is no way to believe any certificate.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import hmac
import ssl
from dataclasses import dataclass
from datetime import datetime

from vonggac.video.rtsp.errors import RtspError, quoted

_X509_EXPIRED, _X509_NOT_YET, _X509_HOSTNAME, _X509_IP_ADDRESS = 10, 9, 62, 64
"""X509_V_ERR_… of OpenSSL's <openssl/x509_vfy.h>."""
_HOW_TO_PIN = (
    "If it is this camera's own, pin it: `vonggac camera check` shows its fingerprint, "
    "`vonggac camera edit CAMERA --tls-fingerprint …` stores it."
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a camera's certificate says of itself."""

    fingerprint: str
    """SHA-256 of the whole certificate, as `openssl x509 -fingerprint -sha256` prints it: AB:CD:…"""
    subject: str
    issuer: str
    self_signed: bool
    valid_from: datetime
    valid_until: datetime


def fingerprint_of(der: bytes) -> str:
    """Return the SHA-256 of a certificate, AB:CD:…"""
    return hashlib.sha256(der).digest().hex(":").upper()


def read_certificate(der: bytes) -> Certificate:
    """Read a certificate; RtspError("protocol") for what is none."""
    from cryptography import x509

    try:
        read = x509.load_der_x509_certificate(der)
        subject, issuer = (quoted(name.rfc4514_string(), 120) for name in (read.subject, read.issuer))
        own = read.subject == read.issuer
        return Certificate(
            fingerprint_of(der), subject, issuer, own, read.not_valid_before_utc, read.not_valid_after_utc
        )
    except (ValueError, x509.InvalidVersion):
        raise RtspError("protocol", "The camera shows a certificate that cannot be read.") from None


async def context_for(fingerprint: str) -> ssl.SSLContext:
    """Return the context for a camera with this pin (empty: none)."""
    # Reading the system's authorities takes a while; it is done once, and not on the loop.
    return _believing_any() if fingerprint else await asyncio.to_thread(_believing_authorities)


def check_pin(der: bytes, fingerprint: str) -> None:
    """Compare a certificate with its pin before anything else is said: RtspError("untrusted") when it is another."""
    found = fingerprint_of(der)
    if not hmac.compare_digest(found.replace(":", "").lower(), fingerprint.replace(":", "").lower()):
        raise RtspError(
            "untrusted",
            f"The camera shows another certificate than the pinned one, with the fingerprint {found}. If the camera "
            "was replaced or has a new certificate, pin that one; else somebody stands between.",
        )


def refused_certificate(error: ssl.SSLCertVerificationError, host: str) -> RtspError:
    """Say in plain words why a certificate was not believed, and what to do."""
    if error.verify_code in (_X509_EXPIRED, _X509_NOT_YET):
        what = "has expired" if error.verify_code == _X509_EXPIRED else "is not valid yet"
        words = f"The camera's certificate {what}. Is this machine's clock right? Give the camera a new one."
    elif error.verify_code in (_X509_HOSTNAME, _X509_IP_ADDRESS):
        words = f"The camera's certificate is not made out to “{quoted(host)}”. Use the name that stands in it."
    else:
        words = f"The camera's certificate is issued by nobody whom this machine trusts ({error.verify_message})."
    return RtspError("untrusted", f"{words} {_HOW_TO_PIN}")


def no_tls(error: ssl.SSLError) -> RtspError:
    """Say in plain words why no encrypted connection came about."""
    reason = error.reason or ""
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNEXPECTED_MESSAGE", "RECORD_LAYER_FAILURE"):
        return RtspError(
            "protocol", "The camera does not speak TLS at this port. Is it the port of rtsps (mostly 322), or plain?"
        )
    if reason in ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_SHARED_CIPHER", "DH_KEY_TOO_SMALL"):
        return RtspError(
            "unsupported",
            f"The camera speaks only an encryption that is no longer safe ({reason.lower().replace('_', ' ')}). "
            "A newer firmware may help; else use rtsp:// in a network of its own.",
        )
    said = reason.lower().replace("_", " ") or "it broke off"
    return RtspError("protocol", f"No encrypted connection came about: {said}.")


@functools.cache
def _believing_authorities() -> ssl.SSLContext:
    return ssl.create_default_context()


@functools.cache
def _believing_any() -> ssl.SSLContext:
    """For a pinned certificate, which `check_pin` compares; and to look at one without sending anything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
