"""Units from a CSV file: all rows or none, parents in any order, cycles refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.core.errors import Invalid
from vonggac.org import service
from vonggac.org.csv_table import BadRows, Row, read_table
from vonggac.org.models import Unit
from vonggac.org.schemas import DEEPEST, UnitFields, unit_fields

REQUIRED = ("code", "name", "kind")
OPTIONAL = ("parent", "valid_from", "valid_to")


@dataclass(frozen=True, slots=True)
class Placed:
    """A unit and the code of the one it hangs on; None for the root."""

    fields: UnitFields
    parent: str | None


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: numbers of units."""

    added: int
    changed: int
    unchanged: int


def import_units(session: Session, path: Path, *, update: bool = False) -> Imported:
    """Add the units of a CSV file below the root; a row equal to what is there changes nothing.

    `update` lets a row change a unit that exists; else that is a fault. BadRows names every fault with its line.
    """
    return import_rows(session, read_table(path, REQUIRED, OPTIONAL), str(path), update=update)


def import_rows(session: Session, rows: Sequence[Row], source: str, *, update: bool = False) -> Imported:
    """Add the units of rows: see `import_units`. `source` names them in faults."""
    units = {unit.code: unit for unit in session.scalars(sa.select(Unit))}
    root = service.root_unit(session).code
    codes = {unit.id: unit.code for unit in units.values()}
    existing = {
        unit.code: Placed(
            UnitFields(unit.code, unit.name, unit.kind, unit.valid_from, unit.valid_to),
            codes[unit.parent_id] if unit.parent_id is not None else None,
        )
        for unit in units.values()
    }
    planned = plan(rows, existing, root, source, update=update)
    added = changed = 0
    for placed in planned:
        parent = units[placed.parent] if placed.parent is not None else None
        if (unit := units.get(placed.fields.code)) is not None:
            changed += service.change_unit(session, unit, placed.fields, parent.id if parent is not None else None)
        else:
            assert parent is not None
            units[placed.fields.code] = service.add_unit(session, placed.fields, parent)
            added += 1
    return Imported(added, changed, len(planned) - added - changed)


def plan(
    rows: Sequence[Row], existing: Mapping[str, Placed], root: str, source: str = "", *, update: bool = False
) -> list[Placed]:
    """Return the units of a file, parents first; BadRows when they make no tree together with the existing ones."""
    faults: list[tuple[int, str]] = []
    wanted: dict[str, Placed] = {}
    lines: dict[str, int] = {}
    paths: dict[str, list[str]] = {}
    for row in rows:
        try:
            placed, path = _read(row, root)
            code = placed.fields.code
            if code in lines:
                raise Invalid(f"the code {code} stands on line {lines[code]} already.")
            _check_existing(placed, existing.get(code), update=update)
        except Invalid as error:
            faults.append((row.line, str(error)))
        else:
            wanted[code], lines[code], paths[code] = placed, row.line, path
    parents = {code: placed.parent for code, placed in (*existing.items(), *wanted.items())}
    if not faults:  # else a missing parent may only be one that could not be read
        for code in wanted:
            if fault := _misplaced(code, paths[code], parents):
                faults.append((lines[code], fault))
    if faults:
        raise BadRows(source, faults)
    depths = {code: len(_above(code, parents)) for code in wanted}
    return [wanted[code] for code in sorted(wanted, key=lambda code: (depths[code], lines[code]))]


def _read(row: Row, root: str) -> tuple[Placed, list[str]]:
    fields = unit_fields(
        code=row["code"],
        name=row["name"],
        kind=row["kind"],
        valid_from=row["valid_from"],
        valid_to=row["valid_to"],
    )
    path = [part for part in row["parent"].split("/") if part]
    if fields.code == root:
        if path:
            raise Invalid(f"{root} is the unit above all others and has no parent.")
        return Placed(fields, None), []
    return Placed(fields, path[-1] if path else root), path


def _check_existing(placed: Placed, known: Placed | None, *, update: bool) -> None:
    if known is None or update or placed == known:
        return
    theirs, ours = known.fields, placed.fields
    differing = [
        name for name in ("name", "kind", "valid_from", "valid_to") if getattr(theirs, name) != getattr(ours, name)
    ]
    if placed.parent != known.parent:
        differing.append("parent")
    raise Invalid(
        f"the unit {ours.code} exists with another {', '.join(differing)}. Choose another code, or change what exists "
        "with --update."
    )


def _misplaced(code: str, path: list[str], parents: Mapping[str, str | None]) -> str:
    """Return why a unit cannot hang where its row says; "" when it can."""
    parent = parents[code]
    if parent is None:
        return ""
    if parent not in parents:
        return f"its parent {parent} is neither in the file nor among the units."
    above = _above(code, parents)
    if code in above or len(set(above)) != len(above):
        return f"{code} would hang below itself: {' < '.join([code, *above])}."
    if len(above) > DEEPEST:
        return f"it would stand more than {DEEPEST} levels below the root."
    actual = above[::-1]
    if path and path != actual[-len(path) :]:
        return f"its parent {'/'.join(path)} does not exist; {parent} is {'/'.join(actual)}."
    return ""


def _above(code: str, parents: Mapping[str, str | None]) -> list[str]:
    """Return the codes above one, nearest first; ends where a code comes a second time, or below too many."""
    above: list[str] = []
    here = parents.get(code)
    while here is not None and len(above) <= DEEPEST:
        again = here in above
        above.append(here)
        if again or here == code:
            break
        here = parents.get(here)
    return above
