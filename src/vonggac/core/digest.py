"""Proving who we are to a camera: Digest (RFC 2617, RFC 7616) with MD5 and SHA-256, and Basic."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

_PARAMETER = re.compile(
    r"(?:^|[\s,])(?:(?P<scheme>[A-Za-z]+)\s+)?(?P<name>[A-Za-z][\w-]*)\s*=\s*"
    r'(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^,"]*))'
)
_HASHES: dict[str, Callable[[bytes], str]] = {
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
}
_PREFERENCE = ("SHA-256", "MD5", "Basic")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way in that a camera offers."""

    scheme: str
    """"digest", "basic", or another in lower case."""
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str | None:
        """One of the kinds that we can answer, or None."""
        if self.scheme == "basic":
            return "Basic"
        qop = self.parameters.get("qop")
        if self.scheme != "digest" or (qop and "auth" not in _words(qop)):
            return None
        algorithm = self.parameters.get("algorithm", "MD5").upper().removesuffix("-SESS")
        return algorithm if algorithm in _HASHES else None


def parse_challenges(values: Sequence[str]) -> list[Challenge]:
    """Read the WWW-Authenticate headers of a reply; several challenges in one header, or realms without quotes, too."""
    challenges: list[Challenge] = []
    for value in values:
        parameters: dict[str, str] | None = None
        for match in _PARAMETER.finditer(value):
            if match["scheme"] or parameters is None:
                parameters = {}
                challenges.append(Challenge((match["scheme"] or "digest").lower(), parameters))
            text = match["quoted"] if match["quoted"] is not None else match["bare"].strip()
            parameters.setdefault(match["name"].lower(), text)
        if parameters is None and value.strip().lower() == "basic":
            challenges.append(Challenge("basic"))
    return challenges


class Authenticator:
    """Answers a camera's challenges; counts how often a nonce was used."""

    def __init__(
        self, username: str, password: str, *, cnonce: Callable[[], str] = lambda: secrets.token_hex(8)
    ) -> None:
        self._username = username
        self._password = password
        self._cnonce = cnonce
        self._challenge: Challenge | None = None
        self._session_cnonce = ""
        self._uses = 0

    def __repr__(self) -> str:
        return f"Authenticator({self.kind or 'not challenged'})"

    @property
    def kind(self) -> str | None:
        """ "Digest SHA-256", "Digest MD5" or "Basic"; None before the first challenge."""
        kind = self._challenge.kind if self._challenge else None
        return kind if kind in (None, "Basic") else f"Digest {kind}"

    def accept(self, challenges: Sequence[Challenge]) -> Challenge | None:
        """Take up the strongest of the challenges that we can answer and return it; None where there is none."""
        best = min(
            (challenge for challenge in challenges if challenge.kind),
            key=lambda challenge: _PREFERENCE.index(challenge.kind or ""),
            default=None,
        )
        if best is not None:
            self._challenge, self._uses, self._session_cnonce = best, 0, self._cnonce()
        return best

    def authorization(self, method: str, uri: str) -> str | None:
        """Return the Authorization header for this request, its URI exactly as sent; None before a challenge."""
        challenge = self._challenge
        if challenge is None:
            return None
        if challenge.scheme == "basic":
            return "Basic " + base64.b64encode(f"{self._username}:{self._password}".encode()).decode()
        self._uses += 1
        return self._digest(challenge.parameters, challenge.kind or "MD5", method, uri)

    def _digest(self, offered: dict[str, str], kind: str, method: str, uri: str) -> str:
        """RFC 7616 §3.4; without qop as in RFC 2069, which many cameras still speak."""

        def digest(*parts: str) -> str:
            return _HASHES[kind](":".join(parts).encode())

        realm, nonce = offered.get("realm", ""), offered.get("nonce", "")
        count, cnonce = f"{self._uses:08x}", self._cnonce()
        secret = digest(self._username, realm, self._password)
        per_session = offered.get("algorithm", "").upper().endswith("-SESS")
        if per_session:
            # The key is made once, with the cnonce of the first answer (RFC 7616 §3.4.2): it stays the same.
            cnonce = self._session_cnonce
            secret = digest(secret, nonce, cnonce)
        request = digest(method, uri)
        fields = [("username", _escaped(self._username)), ("realm", realm), ("nonce", nonce), ("uri", uri)]
        tail = ""
        if offered.get("qop"):
            fields.append(("response", digest(secret, nonce, count, cnonce, "auth", request)))
            fields.append(("cnonce", cnonce))
            tail = f", qop=auth, nc={count}"
        else:
            fields.append(("response", digest(secret, nonce, request)))
            if per_session:
                fields.append(("cnonce", cnonce))
        if "opaque" in offered:
            fields.append(("opaque", offered["opaque"]))
        if "algorithm" in offered:
            tail += f", algorithm={offered['algorithm']}"
        return "Digest " + ", ".join(f'{name}="{value}"' for name, value in fields) + tail


def _words(text: str) -> list[str]:
    return [word.strip().lower() for word in text.split(",")]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
