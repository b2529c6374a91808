"""What is secret of a camera's addresses, sealed in its row: user and password, and passwords within the path."""

from __future__ import annotations

import json
import uuid

from vonggac.cameras.address import Credentials, StreamAddress, host_of, join_address
from vonggac.cameras.models import Camera
from vonggac.core.secrets import SecretBox

Opened = dict[str, list[str]]
"""Column of the address to user, password and, where the path holds a password, the address without stars."""


def _context(key: uuid.UUID) -> str:
    return f"camera:{key}"


def open_of(camera: Camera, box: SecretBox) -> Opened:
    """Open what a camera with a secret has; VonggacError when the key does not fit."""
    assert camera.secret is not None
    return open_secret(camera.secret, camera.id, box)


def open_secret(secret: bytes, key: uuid.UUID, box: SecretBox) -> Opened:
    """Open the secret of the camera with this id; VonggacError when the key does not fit."""
    opened: Opened = json.loads(box.open(secret, _context(key)))
    return opened


def seal(opened: Opened, key: uuid.UUID, box: SecretBox) -> bytes | None:
    """Return what is stored; None where nothing is secret."""
    return box.seal(json.dumps(opened), _context(key)) if opened else None


def sealable(streams: dict[str, StreamAddress]) -> Opened:
    """Return what is secret of the addresses, by their columns."""
    opened: Opened = {}
    for column, address in streams.items():
        if address.credentials is not None or address.whole:
            known = address.credentials or Credentials("", "")
            opened[column] = [known.user, known.password, *([address.whole] if address.whole else [])]
    return opened


def stream(opened: Opened, column: str, url: str) -> StreamAddress:
    """Return the stored address of a column with what is secret of it."""
    user, password, whole = (*opened.get(column, []), "", "", "")[:3]
    return StreamAddress(url, Credentials(user, password) if user else None, whole)


def credentials(opened: Opened, column: str, url: str, sub_url: str) -> Credentials | None:
    """Return user and password of a stream; those of the main one serve a sub-stream on the same host."""
    own = stream(opened, column, "").credentials
    if own is None and column == "sub_url" and host_of(url) == host_of(sub_url):
        return stream(opened, "url", "").credentials
    return own


def whole_url(opened: Opened, column: str, url: str, sub_url: str) -> str:
    """Return an address as it is connected to, percent-encoded; empty where there is none."""
    stored = url if column == "url" else sub_url
    if not stored:
        return ""
    return join_address(stream(opened, column, stored).whole or stored, credentials(opened, column, url, sub_url))
