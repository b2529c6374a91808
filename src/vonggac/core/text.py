"""Vietnamese text: found without accents, sorted as Vietnamese sorts, safe in file names."""

from __future__ import annotations

import re
import unicodedata

# Order of letters: TCVN 6909 and common dictionaries; f, j, w and z stand where they do in the Latin alphabet.
_LETTERS = "aăâbcdđeêfghijklmnoôơpqrstuưvwxyz"
_RANK = {letter: chr(0x61 + rank) if rank < 26 else chr(0xE0 + rank) for rank, letter in enumerate(_LETTERS)}
# Order of tones within a syllable: level, falling, asking, tumbling, rising, heavy.
SORT_KEY_LENGTH = 700
"""Enough for a name of 200 letters; of a longer key (names full of numbers) the end is cut."""
_TONES = {"\u0300": "1", "\u0309": "2", "\u0303": "3", "\u0301": "4", "\u0323": "5"}


def normalise(text: str) -> str:
    """Return the text in NFC with single spaces and no space or control character at its ends."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def one_line(text: str) -> str:
    """Return what somebody typed `normalise`d and without control characters: PostgreSQL takes no NUL."""
    return normalise("".join(c if c.isspace() or unicodedata.category(c) != "Cc" else "" for c in text))


def fold(text: str) -> str:
    """Return the text as it is searched: small letters without any accent ("Đức Trọng" gives "duc trong")."""
    folded = normalise(text)
    while True:
        # Once is enough for Vietnamese; some letters of other scripts show a new accent when one is gone.
        decomposed = unicodedata.normalize("NFD", folded.casefold().replace("đ", "d"))
        plain = normalise("".join(letter for letter in decomposed if not unicodedata.combining(letter)))
        if plain == folded:
            return plain
        folded = plain


def sort_key(text: str) -> str:
    """Return a key whose order by code point is the Vietnamese order: letters first, then tones, then case.

    At most SORT_KEY_LENGTH characters. Numbers are compared by value up to nine digits: "Tổ 2" precedes "Tổ 10".
    """
    letters: list[str] = []
    tones: list[str] = []
    plain = re.sub(r"\d{1,9}", lambda match: match.group().zfill(9), normalise(text))
    for character in plain.casefold():
        tone = "0"
        base = ""
        for part in unicodedata.normalize("NFD", character):
            if part in _TONES:
                tone = _TONES[part]
            else:
                base += part
        letter = unicodedata.normalize("NFC", base)
        # A foreign accent (ü) sorts with its letter; in the last part of the key the two still differ.
        letters.append(_RANK.get(letter) or _RANK.get(base[:1]) or letter)
        tones.append(tone)
    key = "".join(letters) + "\x01" + "".join(tones) + "\x01" + normalise(text).swapcase()
    return key[:SORT_KEY_LENGTH]


def slug(text: str, limit: int = 40) -> str:
    """Return the text as part of a file name: a to z, 0 to 9 and hyphens, at most `limit` long, never empty."""
    return re.sub(r"[^a-z0-9]+", "-", fold(text)).strip("-")[:limit].rstrip("-") or "x"
