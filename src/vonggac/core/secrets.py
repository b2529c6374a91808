"""Secrets of the centre (camera passwords, bell keys): encrypted with a key that lies outside the database."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vonggac.core.errors import NotInitialised, VonggacError

_NONCE = 12
_TAG = 16
_VERSION = b"\x01"


class SecretBox:
    """Seals and opens small secrets (AES-256-GCM; the context must be the same at both ends)."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def __repr__(self) -> str:
        return "SecretBox(...)"

    def seal(self, secret: str, context: str) -> bytes:
        """Return the secret encrypted; `context` binds it to its place, so that rows cannot be swapped."""
        nonce = os.urandom(_NONCE)
        return _VERSION + nonce + self._cipher.encrypt(nonce, secret.encode(), context.encode())

    def open(self, sealed: bytes, context: str) -> str:
        """Return the secret; VonggacError when the key or the context is another one."""
        try:
            if sealed[:1] != _VERSION or len(sealed) < 1 + _NONCE + _TAG:
                raise InvalidTag
            return self._cipher.decrypt(sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :], context.encode()).decode()
        except InvalidTag:
            raise VonggacError(
                "A stored secret does not fit the key of this data folder. Restore keys/secret.key from the backup "
                "that belongs to this database, or enter the camera's password again."
            ) from None


def make_key(path: Path) -> None:
    """Write a new key that only its owner may read; never replaces one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, os.urandom(32))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load_key(path: Path) -> SecretBox:
    """Return the box of a key file."""
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        raise NotInitialised(
            f"The key {path} is missing. Restore it from a backup; without it no camera password can be read."
        ) from None
    except PermissionError:
        raise VonggacError(
            f"The key {path} may not be read by this user. Run as the user who owns the data folder."
        ) from None
    if len(key) != 32:
        raise VonggacError(
            f"The key {path} is damaged (32 bytes expected, {len(key)} found). Restore it from a backup."
        )
    return SecretBox(key)
