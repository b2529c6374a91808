"""Secrets: sealed to their place, opened only with the key, never shown."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonggac.core import secrets
from vonggac.core.errors import NotInitialised, VonggacError

BOX = secrets.SecretBox(bytes(range(32)))


@given(st.text(), st.text())
def test_a_sealed_secret_opens_in_its_place(secret: str, context: str):
    assert BOX.open(BOX.seal(secret, context), context) == secret


def test_a_secret_moved_to_another_row_does_not_open():
    with pytest.raises(VonggacError, match="does not fit the key"):
        BOX.open(BOX.seal("hush", "camera:1"), "camera:2")


def test_a_secret_does_not_open_with_another_key():
    with pytest.raises(VonggacError, match="enter the camera's password again"):
        secrets.SecretBox(bytes(32)).open(BOX.seal("hush", "camera:1"), "camera:1")


def test_the_same_secret_never_looks_the_same_twice():
    assert BOX.seal("hush", "camera:1") != BOX.seal("hush", "camera:1")


@given(st.binary(max_size=64))
def test_no_damaged_secret_raises_anything_but_a_plain_error(sealed: bytes):
    with pytest.raises(VonggacError):
        BOX.open(sealed, "camera:1")


@given(st.integers(0, 32), st.integers(1, 255))
def test_one_changed_byte_is_noticed(where: int, how: int):
    sealed = bytearray(BOX.seal("hush", "x"))
    sealed[where] ^= how
    with pytest.raises(VonggacError):
        BOX.open(bytes(sealed), "x")


def test_neither_key_nor_secret_is_in_its_representation():
    assert repr(BOX) == "SecretBox(...)"


def test_a_new_key_is_for_its_owner_only(tmp_path: Path):
    path = tmp_path / "keys" / "secret.key"
    secrets.make_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    box = secrets.load_key(path)
    assert box.open(box.seal("hush", "x"), "x") == "hush"


def test_a_key_is_never_replaced(tmp_path: Path):
    path = tmp_path / "secret.key"
    secrets.make_key(path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        secrets.make_key(path)
    assert path.read_bytes() == before


def test_a_missing_key_says_where_it_comes_from(tmp_path: Path):
    with pytest.raises(NotInitialised, match="Restore it from a backup"):
        secrets.load_key(tmp_path / "secret.key")


def test_a_torn_key_is_not_used(tmp_path: Path):
    path = tmp_path / "secret.key"
    path.write_bytes(b"short")
    with pytest.raises(VonggacError, match="32 bytes expected, 5 found"):
        secrets.load_key(path)
