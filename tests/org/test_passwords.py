"""Passwords: long enough, hashed, the same however the keyboard composes its letters."""

from __future__ import annotations

from pathlib import Path

import pytest

from vonggac.core.errors import Invalid
from vonggac.org.passwords import hash_password, read_password, verify_password


def test_a_password_fits_its_own_hash_and_no_other() -> None:
    stored = hash_password("mật khẩu rất dài")
    assert stored.startswith("$argon2id$")
    assert "mật" not in stored
    assert verify_password(stored, "mật khẩu rất dài")
    assert not verify_password(stored, "mật khẩu rất dàu")


def test_composed_and_decomposed_letters_are_the_same_password() -> None:
    assert verify_password(hash_password("Đu\u031b\u0301c Tro\u0323ng 2026"), "Đức Trọng 2026")


@pytest.mark.parametrize(
    ("password", "words"),
    [("x" * 11, "11 characters; at least 12"), ("x" * 257, "at most 256"), ("tab\tin the middle", "unprintable")],
)
def test_a_password_that_breaks_a_rule_is_refused_without_being_repeated(password: str, words: str) -> None:
    with pytest.raises(Invalid, match=words) as refused:
        hash_password(password)
    assert password not in str(refused.value)


def test_a_damaged_hash_and_an_endless_password_fit_nothing() -> None:
    assert not verify_password("no hash", "mật khẩu rất dài")
    assert not verify_password(hash_password("x" * 256), "x" * 1_000_000)


def test_a_password_file_gives_its_first_line(tmp_path: Path) -> None:
    file = tmp_path / "password.txt"
    file.write_bytes("\ufeffmật khẩu \r\nsecond\n".encode())
    assert read_password(file) == "mật khẩu "
    for content, words in ((b"", "is empty"), (b"\n", "is empty"), (b"\xff\xfe", "not UTF-8")):
        file.write_bytes(content)
        with pytest.raises(Invalid, match=words):
            read_password(file)
