"""What a unit may be: input checked before it comes near the database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from vonggac.core import text
from vonggac.core.errors import Invalid

ROOT_CODE = "root"
"""Code of the unit that `init` makes: everything of this centre hangs below it."""

NAME_LENGTH = 200
DEEPEST = 32
"""Levels below the root: an administration has five or six; a limit keeps every walk through the tree short."""
_CODE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_CODE_LENGTH = 64
_KIND_LENGTH = 32


@dataclass(frozen=True, slots=True)
class UnitFields:
    """A checked unit; where it hangs is given apart, since the parent may be named before it exists."""

    code: str
    name: str
    kind: str
    valid_from: date | None = None
    valid_to: date | None = None


def unit_fields(
    *, code: str, name: str, kind: str, valid_from: str | date | None = None, valid_to: str | date | None = None
) -> UnitFields:
    """Return a checked unit; Invalid says which field breaks which rule. Dates as 2025-07-01 or empty."""
    first, end = _day("valid_from", valid_from), _day("valid_to", valid_to)
    if first is not None and end is not None and end <= first:
        raise Invalid(f"valid_to ({end}) must come after valid_from ({first}): it is the first day without the unit.")
    return UnitFields(_code("code", code, _CODE_LENGTH), _name(name), _code("kind", kind, _KIND_LENGTH), first, end)


def _code(field: str, value: str, limit: int) -> str:
    value = value.strip()
    if not value:
        raise Invalid(f"{field} is empty: write a short name such as lien-nghia (code) or commune (kind).")
    if len(value) > limit or not _CODE.fullmatch(value):
        raise Invalid(
            f"{field} “{value[:80]}” may hold a to z, 0 to 9 and single hyphens, at most {limit} of them; "
            f"for example {text.slug(value, limit)}."
        )
    return value


def _name(value: str) -> str:
    name = text.normalise(value)
    if not name:
        raise Invalid("name is empty: write the unit's name, for example Thị trấn Liên Nghĩa.")
    if len(name) > NAME_LENGTH:
        raise Invalid(f"name is {len(name)} characters long; at most {NAME_LENGTH} are kept.")
    if not name.isprintable():
        raise Invalid("name holds an unprintable character. Type it anew.")
    return name


def _day(field: str, value: str | date | None) -> date | None:
    if value is None or isinstance(value, date):
        return value
    if not value.strip():
        return None
    try:
        return date.fromisoformat(value.strip())
    except ValueError:
        raise Invalid(f"{field} “{value.strip()[:40]}” is no date; write year, month, day: 2025-07-01.") from None
