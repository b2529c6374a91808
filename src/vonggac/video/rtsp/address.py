"""Where a camera is and how to enter it: an rtsp:// address taken apart, its password kept out of sight."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from vonggac.core.errors import Invalid

DEFAULT_PORT = 554
"""RFC 2326 §3.2."""
DEFAULT_SECURE_PORT = 322
"""RFC 7826 §4.2."""
MAX_LENGTH = 8192
"""Letters of an address with user name and password, percent-encoded: whatever the registry takes has room."""

_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[^\[\]:\s]+)(?::(?P<port>\d*))?")
# Some makers want the password once more in the path or the query: "…?user=admin&password=WORD",
# "/user=admin_password=WORD_channel=1_stream=0.sdp".
_SECRET_IN_PATH = re.compile(r"(?i)((?:password|passwd|pass|pwd|psw)=)[^&/?;]*?(?=_channel=|[&/?;]|$)")
_SAFE_IN_PATH = "/?&=%:@!$'()*+,;~-._[]"


@dataclass(frozen=True, slots=True, repr=False)
class CameraAddress:
    """One stream of one camera. Neither `str` nor `repr` shows a password."""

    host: str
    """Name or address, IPv6 without brackets."""
    port: int
    path: str
    """Path and query as they go over the wire, percent-encoded; empty or beginning with "/" or "?"."""
    username: str | None = None
    password: str | None = None
    secure: bool = False
    """rtsps: TLS around everything."""

    @classmethod
    def parse(cls, text: str) -> CameraAddress:
        """Take an address apart; `Invalid` in plain words where it cannot be one.

        Credentials may be percent-encoded; an "@" in them that is not encoded is taken as meant.
        """
        text = text.strip()
        if len(text) > MAX_LENGTH:
            raise Invalid(f"A camera's address may be {MAX_LENGTH} characters long; this one is longer.")
        if not text.isprintable():
            raise Invalid("The camera's address holds an unprintable character. Type it anew.")
        scheme, mark, rest = text.partition("://")
        if not mark or scheme.lower() not in ("rtsp", "rtsps"):
            raise Invalid("A camera's address begins with rtsp://, for example rtsp://192.0.2.10:554/stream1")
        secure = scheme.lower() == "rtsps"
        cut = re.search(r"[/?#]", rest)
        if cut and "@" in rest[cut.start() :] and "@" not in rest[: cut.start()] and ":" in rest[: cut.start()]:
            _refuse_unencoded_password(rest, cut.start())
        authority, path = (rest[: cut.start()], rest[cut.start() :]) if cut else (rest, "")
        credentials, mark, where = authority.rpartition("@")
        username = password = None
        if mark:
            name, colon, word = credentials.partition(":")
            username, password = unquote(name), unquote(word) if colon else ""
            if not (username + password).isprintable():
                raise Invalid("User name or password in the camera's address holds an unprintable character.")
        match = _AUTHORITY.fullmatch(where)
        if match is None:
            raise Invalid("No usable host in the camera's address: rtsp://HOST:PORT/PATH is wanted.")
        default = DEFAULT_SECURE_PORT if secure else DEFAULT_PORT
        port = int(match["port"] or default) if len(match["port"] or "") <= 5 else 0
        if not 0 < port < 65536:
            raise Invalid("The port in the camera's address must lie between 1 and 65535.")
        path = quote(path.partition("#")[0], safe=_SAFE_IN_PATH)
        return cls(match["host"].strip("[]"), port, path, username, password, secure)

    @property
    def url(self) -> str:
        """The address as it goes over the wire: without credentials (those of the path stay)."""
        return f"{self._scheme}://{self._authority}{self.path}"

    @property
    def redacted(self) -> str:
        """The address as it may be shown and logged."""
        credentials = f"{self.username}:***@" if self.username is not None else ""
        return f"{self._scheme}://{credentials}{self._authority}{hide_secrets(self.path)}"

    @property
    def _authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (DEFAULT_SECURE_PORT if self.secure else DEFAULT_PORT) else f"{host}:{self.port}"

    @property
    def _scheme(self) -> str:
        return "rtsps" if self.secure else "rtsp"

    def __str__(self) -> str:
        return self.redacted

    def __repr__(self) -> str:
        return f"CameraAddress({self.redacted!r})"


def hide_secrets(text: str) -> str:
    """Return a path or address with the passwords in it replaced by stars."""
    text = re.sub(r"(?i)(rtsps?://[^:/@\s]*):[^/\s]*@", r"\1:***@", text)
    return _SECRET_IN_PATH.sub(r"\1***", text)


def _refuse_unencoded_password(rest: str, cut: int) -> None:
    # "user:pa/ss@host": host "user", port "pa"? A port of digits means that the "@" belongs to the path.
    if not re.search(r":\d*$", rest[:cut]):
        raise Invalid(
            "The password in the camera's address holds one of / ? #. "
            "Write them as %2F, %3F and %23, or give user name and password apart from the address."
        )
