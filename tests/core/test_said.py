"""Words that were written down in English are read in every language."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vonggac.core.errors import Invalid
from vonggac.core.said import Said, parts_of
from vonggac.shell.words import Words

VI, EN = Words("vi", "Asia/Ho_Chi_Minh"), Words("en", "Asia/Ho_Chi_Minh")
FULL = "The volume {path} cannot be written: {reason}."
ADVICE = "Delete something or add a volume."


def test_the_words_are_english_and_are_said_again_in_the_readers_language() -> None:
    said = Said(FULL, path="/mnt/a", reason="No space left on device")
    assert said == "The volume /mnt/a cannot be written: No space left on device."
    assert EN.again(said.parts) == said
    assert VI.again(said.parts) == "Không ghi được vào ổ /mnt/a: No space left on device."


def test_sentences_are_joined_and_a_plain_one_stays_english() -> None:
    joined = Said.joined((Said(FULL, path="/a", reason="x"), ADVICE, "", "Braces {stay}."))
    assert joined == "The volume /a cannot be written: x. Delete something or add a volume. Braces {stay}."
    assert VI.again(joined.parts) == "Không ghi được vào ổ /a: x. Hãy xóa bớt hoặc thêm ổ đĩa. Braces {stay}."


def test_a_length_of_time_is_said_by_each_language_itself() -> None:
    said = Said(
        "{name} ({number}): the camera's clock runs {time_us} behind", name="Chợ", number=7, time_us=-90_000_000
    )
    assert said == "Chợ (7): the camera's clock runs 1 min 30 s behind"
    assert VI.again(said.parts) == "Chợ (7): đồng hồ camera chạy chậm 1 phút"


def test_what_an_error_says_is_kept_with_what_it_was_made_of() -> None:
    assert Said.by(Invalid(FULL, path="/a", reason="x")).parts == ((FULL, {"path": "/a", "reason": "x"}),)


@given(st.lists(st.text(max_size=20), max_size=4))
def test_joining_plain_texts_loses_none_of_them(texts: list[str]) -> None:
    joined = Said.joined(texts)
    assert joined == " ".join(text for text in texts if text)
    assert joined.parts == tuple((text, {}) for text in texts if text)
    assert parts_of(str(joined) or "x") == ((str(joined) or "x", {}),)
