"""The tree of units: found by code or path, grown, walked. Functions take a session and never commit."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.core import text
from vonggac.core.clock import utc_now
from vonggac.core.errors import Invalid, NotFound
from vonggac.core.eventlog import announce
from vonggac.core.ids import new_id
from vonggac.org import events
from vonggac.org.models import Unit
from vonggac.org.schemas import DEEPEST, ROOT_CODE, UnitFields

_SUGGESTIONS = 5


@dataclass(frozen=True, slots=True)
class Branch:
    """A unit and where it stands in the tree."""

    unit: Unit
    depth: int
    """0 for the root."""
    path: str
    """Codes from below the root down (`lam-dong/duc-trong/lien-nghia`); the root's own code for the root."""


def root_unit(session: Session) -> Unit:
    """Return the unit above all others; NotFound before `init` made it."""
    unit = session.scalars(sa.select(Unit).where(Unit.parent_id.is_(None)).order_by(Unit.id).limit(1)).first()
    if unit is None:
        raise NotFound("There is no unit yet. Make the first one with: vonggac init DIR")
    return unit


def make_root(session: Session, name: str) -> Unit:
    """Make the unit above all others."""
    return _insert(session, UnitFields(ROOT_CODE, text.normalise(name), "centre"), None)


def add_unit(session: Session, fields: UnitFields, parent: Unit) -> Unit:
    """Add a unit below another; Invalid when its code is taken."""
    if session.scalar(sa.select(Unit.id).where(Unit.code == fields.code)) is not None:
        raise Invalid(f"The code {fields.code} is taken by another unit. Choose another, or see `vonggac unit list`.")
    if len(path_codes(session, parent)) > DEEPEST:
        raise Invalid(f"{fields.code} would stand more than {DEEPEST} levels below the root.")
    return _insert(session, fields, parent)


def find_unit(session: Session, named: str) -> Unit:
    """Return a unit by its code (`lien-nghia`) or path (`lam-dong/duc-trong/lien-nghia`, or its end).

    An empty text names the root. NotFound suggests what may be meant.
    """
    segments = [part for part in named.strip().strip("/").split("/") if part]
    if not segments:
        return root_unit(session)
    unit = session.scalars(sa.select(Unit).where(Unit.code == segments[-1])).first()
    if unit is None:
        raise NotFound(
            f"There is no unit {named!r}.{_suggest(session, segments[-1])} `vonggac unit list` shows them all."
        )
    if segments != path_codes(session, unit)[-len(segments) :]:
        actual = "/".join(path_codes(session, unit))
        raise NotFound(f"There is no unit {named!r}; the unit {unit.code} is {actual}.")
    return unit


def path_codes(session: Session, unit: Unit) -> list[str]:
    """Return the codes from the root down to the unit."""
    codes = [unit.code]
    above = unit.parent_id
    while above is not None:
        parent = session.get_one(Unit, above)
        codes.append(parent.code)
        above = parent.parent_id
    return codes[::-1]


def tree(session: Session, top: Unit | None = None, on: date | None = None) -> list[Branch]:
    """Return a unit (None: the root) and all below it, parents first, siblings in Vietnamese order.

    `on` leaves out what does not exist on that day, with all that hangs on it; None leaves nothing out.
    """
    children: defaultdict[uuid.UUID | None, list[Unit]] = defaultdict(list)
    for unit in session.scalars(sa.select(Unit).order_by(Unit.name_sort, Unit.code)):
        children[unit.parent_id].append(unit)
    tops = children[None] if top is None else [top]
    above = path_codes(session, top)[:-1] if top is not None else []
    return [branch for unit in tops for branch in _walk(unit, tuple(above), children, on)]


def subtree_ids(session: Session, top: Unit) -> list[uuid.UUID]:
    """Return the keys of a unit and of all below it."""
    below = sa.select(Unit.id).where(Unit.id == top.id).cte("below", recursive=True)
    below = below.union(sa.select(Unit.id).join(below, Unit.parent_id == below.c.id))
    return list(session.scalars(sa.select(below.c.id)))


def exists_on(unit: Unit, day: date) -> bool:
    """Return whether the unit exists on a day."""
    return (unit.valid_from is None or unit.valid_from <= day) and (unit.valid_to is None or day < unit.valid_to)


def change_unit(session: Session, unit: Unit, fields: UnitFields, parent_id: uuid.UUID | None) -> bool:
    """Give a unit other fields and another parent; returns whether anything changed. The code stays.

    Whoever calls it with several units sees to it that no unit comes to hang below itself.
    """
    wanted = {**_columns(fields), "parent_id": parent_id}
    changed = [name for name, value in wanted.items() if getattr(unit, name) != value]
    if not changed:
        return False
    for name in changed:
        setattr(unit, name, wanted[name])
    session.flush()
    announce(session, events.UNIT_CHANGED, subject=unit.id, unit_id=unit.id, fields=changed)
    return True


def set_record_audio(session: Session, unit: Unit, wanted: bool | None) -> bool:
    """Say whether the sound of a unit's cameras is recorded, None: as above it; returns whether that changed."""
    if unit.record_audio == wanted:
        return False
    unit.record_audio = wanted
    session.flush()
    announce(session, events.UNIT_CHANGED, subject=unit.id, unit_id=unit.id, fields=["record_audio"])
    return True


def recorded_with_audio(session: Session) -> set[uuid.UUID]:
    """Return the units whose cameras are recorded with sound, by their own setting or the nearest above; else off."""
    units = {unit.id: (unit.parent_id, unit.record_audio) for unit in session.scalars(sa.select(Unit))}

    def wanted(unit_id: uuid.UUID) -> bool:
        above: uuid.UUID | None = unit_id
        while above is not None:
            above, own = units[above]
            if own is not None:
                return own
        return False

    return {unit_id for unit_id in units if wanted(unit_id)}


def _insert(session: Session, fields: UnitFields, parent: Unit | None) -> Unit:
    unit = Unit(
        id=new_id(),
        code=fields.code,
        parent_id=parent.id if parent is not None else None,
        created_at=utc_now(),
        **_columns(fields),
    )
    session.add(unit)
    session.flush()
    announce(session, events.UNIT_ADDED, subject=unit.id, unit_id=unit.id, code=unit.code)
    return unit


def _columns(fields: UnitFields) -> dict[str, str | date | None]:
    return {
        "name": fields.name,
        "name_folded": text.fold(fields.name)[:200],
        "name_sort": text.sort_key(fields.name)[:700],
        "kind": fields.kind,
        "valid_from": fields.valid_from,
        "valid_to": fields.valid_to,
    }


def _walk(
    unit: Unit, above: tuple[str, ...], children: dict[uuid.UUID | None, list[Unit]], on: date | None
) -> Iterator[Branch]:
    if on is not None and not exists_on(unit, on):
        return
    codes = (*above, unit.code)
    yield Branch(unit, len(above), "/".join(codes[1:] or codes))
    for child in children.get(unit.id, []):
        yield from _walk(child, codes, children, on)


def _suggest(session: Session, code: str) -> str:
    words = text.fold(code.replace("-", " "))
    if not words:
        return ""
    query = sa.select(Unit.code).where(
        sa.or_(
            Unit.code.contains(text.slug(code, 64), autoescape=True), Unit.name_folded.contains(words, autoescape=True)
        )
    )
    near = list(session.scalars(query.order_by(Unit.name_sort).limit(_SUGGESTIONS)))
    return f" Did you mean {' or '.join(near)}?" if near else ""
