"""A camera's address taken apart: what may be stored and shown, and what must be sealed.

The registry needs less than the RTSP client does (`video.rtsp.address`), and stands below it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from urllib.parse import quote, unquote

from vonggac.core.errors import Invalid
from vonggac.core.i18n import N_

URL_LENGTH = 2048
CREDENTIAL_LENGTH = 256
HIDDEN = "***"
ONVIF_PATH = "/onvif/device_service"
"""Where a device service is (ONVIF Core Specification §5.1.1: http://HOST/onvif/device_service)."""

_AUTHORITY = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\[\]:\s@]+)(?::(?P<port>\d{1,5}))?")
# Some makers want the password in path or query: "?user=admin&password=WORD", "/user=admin_password=WORD_channel=1".
_SECRET_IN_PATH = re.compile(r"(?i)((?:password|passwd|pass|pwd|psw)=)[^&/?;]+?(?=_channel=|[&/?;]|$)")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a camera asks for; neither `str` nor `repr` shows the password."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StreamAddress:
    """Where a stream is."""

    url: str
    """Without credentials; a password in path or query replaced by stars. Empty: no such stream."""
    credentials: Credentials | None = None
    whole: str = field(default="", repr=False)
    """The address without user and password, but with what the stars in `url` stand for; empty when there are none."""


def split_address(text: str, *, scheme: str = "rtsp") -> StreamAddress:
    """Take an `rtsp://` or `rtsps://` address apart; Invalid says what is wrong, without repeating a password.

    `scheme` "http": an `http://` or `https://` one.
    """
    text, expected = text.strip(), scheme
    if len(text) > URL_LENGTH:
        raise Invalid(N_("The address is longer than {most} characters."), most=URL_LENGTH)
    if not text.isprintable() or " " in text:
        raise Invalid(N_("The address holds a space or an unprintable character. Write a space as %20."))
    scheme, mark, rest = text.partition("://")
    if not mark or scheme.lower() not in (expected, f"{expected}s"):
        example = "rtsp://192.0.2.10:554/stream1" if expected == "rtsp" else f"http://192.0.2.10{ONVIF_PATH}"
        raise Invalid(
            N_("The address must begin with {scheme}:// or {scheme}s://, for example {example}"),
            scheme=expected,
            example=example,
        )
    end = re.search(r"[/?#]", rest)
    authority, path = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    written, mark, where = authority.rpartition("@")
    match = _AUTHORITY.fullmatch(where)
    if match is None:
        # "user:pa/ss@host": what looks like a port is the first part of a password, so it is not repeated here.
        if "@" in path:
            raise Invalid(
                N_(
                    "The address names no usable host and port: {scheme}://HOST:PORT/PATH is wanted. Write / ? # in a "
                    "password as %2F %3F %23."
                ),
                scheme=expected,
            )
        raise Invalid(
            N_("The address names no usable host and port: {scheme}://HOST:PORT/PATH is wanted."), scheme=expected
        )
    if match["port"] is not None and not 0 < int(match["port"]) < 65536:
        raise Invalid(N_("The port of the address must lie between 1 and 65535."))
    whole = f"{scheme.lower()}://{where}{path}"
    url = _SECRET_IN_PATH.sub(rf"\1{HIDDEN}", whole)
    return StreamAddress(url, _credentials(written) if mark else None, whole if url != whole else "")


def onvif_address(text: str) -> StreamAddress:
    """Take the address of a device service apart; one without a path gets the usual one."""
    found = split_address(text, scheme="http")
    if found.whole:
        raise Invalid(
            N_("A password in the path of the ONVIF address is not possible: write it as http://USER:PASSWORD@…")
        )
    return replace(found, url=found.url.rstrip("/") + ONVIF_PATH) if _bare(found.url) else found


def _bare(url: str) -> bool:
    return "/" not in url.partition("://")[2].rstrip("/")


def shown(text: str) -> str:
    """Return what may be shown again of an address that somebody typed, right or wrong: no user, no password."""
    scheme, mark, rest = text.strip().partition("://")
    if not mark:
        scheme, rest = "", scheme
    # The last "@", also one behind a "/": of "user:pa/ss@host" nothing before it may be seen.
    return scheme + mark + _SECRET_IN_PATH.sub(rf"\1{HIDDEN}", rest.rpartition("@")[2])


def join_address(url: str, credentials: Credentials | None) -> str:
    """Return an address with its credentials in it, percent-encoded."""
    if credentials is None:
        return url
    scheme, _, rest = url.partition("://")
    user, password = (quote(part, safe="") for part in (credentials.user, credentials.password))
    return f"{scheme}://{user}:{password}@{rest}"


def host_of(url: str) -> str:
    """Return the host of an address without its port, in small letters."""
    authority = re.split(r"[/?#]", url.partition("://")[2])[0]
    return re.sub(r":\d+$", "", authority).lower()


def check_credentials(user: str, password: str) -> Credentials:
    """Return what a camera asks for; Invalid when it cannot be sent to one."""
    for too_long, unprintable, word in (
        (
            N_("The camera's user name is longer than {most} characters."),
            N_("The camera's user name holds an unprintable character."),
            user,
        ),
        (
            N_("The camera's password is longer than {most} characters."),
            N_("The camera's password holds an unprintable character."),
            password,
        ),
    ):
        if len(word) > CREDENTIAL_LENGTH:
            raise Invalid(too_long, most=CREDENTIAL_LENGTH)
        if not word.isprintable():
            raise Invalid(unprintable)
    if not user or ":" in user:  # RFC 7617 §2
        raise Invalid(N_("The camera's user name must not be empty, and must hold no colon."))
    return Credentials(user, password)


def _credentials(written: str) -> Credentials:
    user, _, password = written.partition(":")
    return check_credentials(unquote(user), unquote(password))
