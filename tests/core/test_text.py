"""Vietnamese text: found without accents, sorted as a Vietnamese reader expects."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonggac.core.text import SORT_KEY_LENGTH, fold, normalise, slug, sort_key

words = st.text(max_size=40)
vietnamese = st.text("aàảãáạăằâầbcdđeéêgiklmnoôơợpqrstuưứvxyÀĐƠ 0123456789", max_size=30)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Đức Trọng", "duc trong"),
        ("Chợ Liên Nghĩa", "cho lien nghia"),
        ("  HIỆP   AN ", "hiep an"),
        ("Ngã tư Phú Hội – QL20", "nga tu phu hoi – ql20"),
    ],
)
def test_a_name_is_folded_to_small_letters_without_accents(text: str, folded: str):
    assert fold(text) == folded
    assert fold(unicodedata.normalize("NFD", text)) == folded


@given(words)
def test_folding_twice_changes_nothing(text: str):
    assert fold(fold(text)) == fold(text)


@given(words)
def test_normalised_text_is_composed_and_has_no_space_at_its_ends(text: str):
    result = normalise(text)
    assert unicodedata.is_normalized("NFC", result)
    assert result == result.strip()
    assert normalise(result) == result


@pytest.mark.parametrize(
    "ordered",
    [
        ["ma", "mà", "mả", "mã", "má", "mạ"],
        ["ca", "că", "câ", "da", "đa", "e", "ê", "o", "ô", "ơ", "u", "ư"],
        ["Bình Thạnh", "Đà Loan", "Đa Quyn", "Hiệp An", "Hiệp Thạnh", "Liên Hiệp", "Liên Nghĩa", "Ninh Gia"],
        ["Tổ 1", "Tổ 2", "Tổ 10", "Tổ 11"],
        ["Ba Vì", "Bac", "Bắc"],
        ["an", "án", "an ninh", "anh"],
        ["muller", "müller", "mun"],
    ],
)
def test_names_sort_as_in_a_vietnamese_list(ordered: list[str]):
    shuffled = ordered[::-1]
    shuffled.sort(key=sort_key)
    assert shuffled == ordered


@given(vietnamese, vietnamese)
def test_two_names_sort_alike_only_if_they_are_the_same(one: str, other: str):
    assert (sort_key(one) == sort_key(other)) == (normalise(one) == normalise(other))


@given(st.text(max_size=300))
def test_a_sort_key_fits_its_column(text: str):
    assert len(sort_key(text)) <= SORT_KEY_LENGTH


def test_the_sort_key_of_a_long_name_full_of_numbers_fits_its_column():
    assert len(sort_key("1 " * 100)) <= SORT_KEY_LENGTH


@given(words, st.integers(1, 60))
def test_a_slug_is_always_a_good_file_name(text: str, limit: int):
    result = slug(text, limit)
    assert 1 <= len(result) <= limit
    assert set(result) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not result.startswith("-")
    assert not result.endswith("-")


def test_a_slug_keeps_the_name_readable():
    assert slug("Chợ Liên Nghĩa, cổng số 2") == "cho-lien-nghia-cong-so-2"
