"""Keys of entities: UUIDv7, so that rows made later sort later and centres can be merged (RFC 9562 §5.7)."""

from __future__ import annotations

import uuid

import uuid6


def new_id() -> uuid.UUID:
    """Return a new key."""
    return uuid.UUID(int=uuid6.uuid7().int)


def short_id(key: uuid.UUID) -> str:
    """Return eight letters of a key for folder names: its random end, since keys made together begin alike."""
    return key.hex[-8:]
