"""Words that were said in English and can be said again in a reader's language: where they were found, nobody reads.

A process that finds something wrong writes it down in English; whoever reads it later may read Vietnamese. So the
message of the catalog and what fills it are kept beside the words.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vonggac.core.clock import span_in_words
from vonggac.core.errors import VonggacError

SPAN = "_us"
"""A value whose name ends so is a length of time in microseconds, said in each language by itself."""

Part = tuple[str, dict[str, Any]]
"""A message of the catalog, and the values for its places."""


class Said(str):
    """English words that know the messages they were made of."""

    __slots__ = ("parts",)
    parts: tuple[Part, ...]

    def __new__(cls, message: str, /, **values: str | int) -> Said:
        """Fill a message (marked with `N_`) with values."""
        return cls._of(((message, values),))

    @classmethod
    def joined(cls, texts: Iterable[str]) -> Said:
        """Return some texts one after the other; plain ones are said in English in every language."""
        return cls._of(part for text in texts if text for part in parts_of(text))

    @classmethod
    def by(cls, error: VonggacError) -> Said:
        """Return what an error says."""
        return cls._of(((error.message, error.values),))

    @classmethod
    def _of(cls, parts: Iterable[tuple[str, dict[str, Any]]]) -> Said:
        known = tuple(parts)
        made = super().__new__(cls, " ".join(_english(*part) for part in known))
        made.parts = known
        return made


def parts_of(text: str) -> tuple[Part, ...]:
    """Return what a text was made of; a plain one is a message by itself."""
    return text.parts if isinstance(text, Said) else ((text, {}),)


def _english(message: str, values: dict[str, Any]) -> str:
    if not values:
        return message
    return message.format(
        **{name: span_in_words(value) if name.endswith(SPAN) else value for name, value in values.items()}
    )
