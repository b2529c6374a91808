"""The catalog says everything that the sources say, and nothing else."""

from __future__ import annotations

import re
import unicodedata

import pytest
from babel.messages.catalog import Message

from vonggac.core import i18n

PLACE = re.compile(r"\{(\w*)\}")


def _texts(message: Message) -> list[str]:
    return list(message.string) if isinstance(message.string, tuple) else [message.string]


def _ids(message: Message) -> list[str]:
    return list(message.id) if isinstance(message.id, tuple) else [message.id]


@pytest.mark.parametrize("language", i18n.CATALOG_LANGUAGES)
def test_every_text_of_the_sources_is_said_in_the_language(language: str) -> None:
    wanted = {message.id for message in i18n.extract() if message.id}
    catalog = i18n.read_catalog(language)
    held = {message.id for message in catalog if message.id}
    assert wanted - held == set(), "bring the catalog up to date: python -m vonggac.core.i18n update"
    assert held - wanted == set(), "texts that are gone: python -m vonggac.core.i18n update"
    assert not catalog.obsolete
    for message in catalog:
        if message.id:
            assert not message.fuzzy, message.id
            assert all(_texts(message)), message.id


@pytest.mark.parametrize("language", i18n.CATALOG_LANGUAGES)
def test_translations_fill_in_the_same_places_and_are_normal(language: str) -> None:
    for message in i18n.read_catalog(language):
        if message.id:
            places = {place for one in _ids(message) for place in PLACE.findall(one)}
            for text in _texts(message):
                assert set(PLACE.findall(text)) == places, message.id
                assert unicodedata.is_normalized("NFC", text), message.id


def test_vietnamese_is_said_in_vietnamese() -> None:
    assert i18n.translations("vi").gettext("Recording") == "Đang ghi"
    assert i18n.translations("en").gettext("Recording") == "Recording"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "vi"),
        ("en", "en"),
        ("en-GB,en;q=0.9,vi;q=0.8", "en"),
        ("vi-VN,vi;q=0.9,en;q=0.8", "vi"),
        ("fr,en;q=0.1", "en"),
        ("de", "vi"),
        ("en;q=0", "vi"),
        ("en;q=x, ,;;", "vi"),
    ],
)
def test_the_browsers_wish_decides_where_nobody_chose(header: str, language: str) -> None:
    assert i18n.preferred(header, "vi") == language
