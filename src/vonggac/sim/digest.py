"""How a simulated camera asks who is there: Digest access authentication (RFC 2069, RFC 7616)."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field

from vonggac.sim.messages import Request

REALM = "Camera"
_ALGORITHMS = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
_PARAMETER = re.compile(r'([a-z]+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a viewer must know, and in which form the camera asks for it."""

    user: str
    password: str = field(repr=False)
    algorithm: str = "MD5"
    quality: bool = False
    """Offer qop="auth" too; few cameras do."""

    def __post_init__(self) -> None:
        if self.algorithm not in _ALGORITHMS:
            raise ValueError(f"unknown digest algorithm {self.algorithm}")


class Guard:
    """Guards one connection: asks with a nonce of its own, so that an overheard answer is of no use elsewhere."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._nonce = secrets.token_hex(16)

    @property
    def challenge(self) -> str:
        """The value of a WWW-Authenticate header."""
        quality = ', qop="auth"' if self._credentials.quality else ""
        algorithm = self._credentials.algorithm
        return f'Digest realm="{REALM}", nonce="{self._nonce}", algorithm={algorithm}{quality}'

    def admits(self, request: Request) -> bool:
        """Say whether the request proves that its sender knows the password."""
        scheme, _, rest = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "digest":
            return False
        given = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(rest)}
        if given.get("username") != self._credentials.user or given.get("nonce") != self._nonce:
            return False
        expected = self._response(request.method, given)
        return hmac.compare_digest(expected.encode(), given.get("response", "").lower().encode())

    def _response(self, method: str, given: dict[str, str]) -> str:
        algorithm = _ALGORITHMS[self._credentials.algorithm]

        def digest(text: str) -> str:
            return algorithm(text.encode()).hexdigest()

        who = digest(f"{self._credentials.user}:{REALM}:{self._credentials.password}")
        # RFC 2617 §3.2.2.5: what the client signed counts; cameras compare it loosely, for clients differ in it.
        what = digest(f"{method}:{given.get('uri', '')}")
        if given.get("qop"):
            return digest(f"{who}:{self._nonce}:{given.get('nc', '')}:{given.get('cnonce', '')}:{given['qop']}:{what}")
        return digest(f"{who}:{self._nonce}:{what}")
