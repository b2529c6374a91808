"""Passwords of accounts: hashed with Argon2id (RFC 9106), the library's parameters."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from vonggac.core.errors import Invalid

SHORTEST = 12
LONGEST = 256
"""Hashing costs time and memory by the length; nobody types more."""

_HASHER = PasswordHasher()


def hash_password(password: str) -> str:
    """Return the hash to store; Invalid when the password is too short or cannot be typed."""
    if len(password) < SHORTEST:
        raise Invalid(f"The password has {len(password)} characters; at least {SHORTEST} are needed.")
    if len(password) > LONGEST:
        raise Invalid(f"The password has {len(password)} characters; at most {LONGEST} are allowed.")
    if not password.isprintable():
        raise Invalid("The password holds an unprintable character (a tab, a line break). Choose another.")
    return _HASHER.hash(_typed(password))


def verify_password(stored: str, password: str) -> bool:
    """Return whether a password is that of a stored hash; an unreadable hash fits none."""
    if len(password) > LONGEST:
        return False
    try:
        return _HASHER.verify(stored, _typed(password))
    except (VerificationError, InvalidHashError):
        return False


def outdated(stored: str) -> bool:
    """Return whether a hash was made with other parameters than today's: hash anew at the next log-in."""
    return _HASHER.check_needs_rehash(stored)


def read_password(path: Path) -> str:
    """Return the password in a file: its first line."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise Invalid(f"{path} is not UTF-8 text. Write the password into a plain text file.") from None
    if not lines or not lines[0]:
        raise Invalid(f"{path} is empty. Write the password into its first line.")
    return lines[0]


def _typed(password: str) -> bytes:
    # Vietnamese keyboards write the same letter composed or decomposed.
    return unicodedata.normalize("NFC", password).encode()
