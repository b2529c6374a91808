"""`vonggac unit`: the tree of units on the command line."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from vonggac.core import text
from vonggac.core.commands import PlainErrors, data_option, emit, json_option
from vonggac.core.datafolder import DataFolder
from vonggac.org import service, units_csv
from vonggac.org.csv_table import BadRows
from vonggac.org.schemas import unit_fields

_AUDIO_WORDS = {True: "yes", False: "no", None: "inherit"}


@click.group(cls=PlainErrors)
def unit() -> None:
    """The tree of units: province, district, commune, station, group.

    Every camera belongs to a unit. A unit is named by its code (lien-nghia) or by its path from below the root
    (lam-dong/duc-trong/lien-nghia). The root is made by `vonggac init`; its code is root.
    """


@unit.command("list")
@data_option
@json_option
@click.option("--under", metavar="UNIT", default="", help="Only this unit and what is below it.")
@click.option("--on", "day", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]), help="The tree of another day.")
@click.option("--all", "everything", is_flag=True, help="Also units that no longer or not yet exist.")
def list_units(data: Path, as_json: bool, under: str, day: datetime | None, everything: bool) -> None:
    """Show the tree as it stands today.

    \b
    Examples:
      vonggac unit list
      vonggac unit list --under duc-trong --on 2021-01-19
    """
    folder = DataFolder.open(data)
    if everything and day is not None:
        raise click.UsageError("Give --on or --all, not both.")
    on = None if everything else day.date() if day else _today(folder)
    with folder.database().read() as session:
        branches = service.tree(session, service.find_unit(session, under) if under else None, on)
        with_audio = service.recorded_with_audio(session)
        codes = {branch.unit.id: branch.unit.code for branch in branches}
    if as_json:
        emit(
            [
                {
                    "id": branch.unit.id,
                    "code": branch.unit.code,
                    "path": branch.path,
                    "name": branch.unit.name,
                    "kind": branch.unit.kind,
                    "parent": codes.get(branch.unit.parent_id) if branch.unit.parent_id else None,
                    "valid_from": branch.unit.valid_from,
                    "valid_to": branch.unit.valid_to,
                    "audio": _AUDIO_WORDS[branch.unit.record_audio],
                    "audio_recorded": branch.unit.id in with_audio,
                }
                for branch in branches
            ]
        )
        return
    top = branches[0].depth if branches else 0
    names = [f"{'  ' * (branch.depth - top)}{branch.unit.name}" for branch in branches]
    width = max(map(len, names), default=0)
    kinds = max((len(branch.unit.kind) for branch in branches), default=0)
    for name, branch in zip(names, branches, strict=True):
        dates = _dates(branch.unit.valid_from, branch.unit.valid_to)
        click.echo(f"{name:<{width}}  {branch.unit.kind:<{kinds}}  {branch.path}{dates}")


@unit.command("add")
@click.argument("name")
@data_option
@json_option
@click.option("--code", default="", help="Short name: a to z, 0 to 9, hyphens.  [default: made from NAME]")
@click.option("--kind", required=True, help="What it is: province, district, commune, station, group, …")
@click.option("--parent", metavar="UNIT", default="", help="The unit it belongs to.  [default: the root]")
@click.option("--from", "valid_from", metavar="DATE", default="", help="First day on which it exists.")
@click.option("--to", "valid_to", metavar="DATE", default="", help="First day on which it no longer exists.")
def add(
    data: Path, as_json: bool, name: str, code: str, kind: str, parent: str, valid_from: str, valid_to: str
) -> None:
    """Add the unit NAME to the tree.

    \b
    Examples:
      vonggac unit add "Tỉnh Lâm Đồng" --code lam-dong --kind province
      vonggac unit add "Xã Hiệp An" --code hiep-an --kind commune --parent lam-dong/duc-trong
    """
    fields = unit_fields(
        code=code or text.slug(name, 64), name=name, kind=kind, valid_from=valid_from, valid_to=valid_to
    )
    with DataFolder.open(data).database().write() as session:
        added = service.add_unit(session, fields, service.find_unit(session, parent))
        path = "/".join(service.path_codes(session, added)[1:])
    if as_json:
        emit({"id": added.id, "code": added.code, "path": path, "name": added.name, "kind": added.kind})
    else:
        click.echo(f"Added {added.name} as {path}.")


@unit.command("edit")
@click.argument("unit_named", metavar="UNIT")
@data_option
@json_option
@click.option("--audio", type=click.Choice(["yes", "no", "inherit"]), required=True, help="Record its cameras' sound?")
def edit(data: Path, as_json: bool, unit_named: str, audio: str) -> None:
    """Change how the cameras of a unit, and of the units below it, are recorded.

    Sound is off until somebody switches it on. "inherit" takes the setting of the unit above. Only sound in AAC is
    recorded; cameras that send another, or none, are recorded without. A running recorder follows at once: it connects
    anew to the cameras concerned, which costs each a second or two of pictures. `vonggac camera show` says whether a
    camera's sound is recorded.

    \b
    Examples:
      vonggac unit edit lien-nghia --audio yes
      vonggac unit edit lam-dong/duc-trong --audio inherit
    """
    wanted = {word: value for value, word in _AUDIO_WORDS.items()}[audio]
    with DataFolder.open(data).database().write() as session:
        found = service.find_unit(session, unit_named)
        changed = service.set_record_audio(session, found, wanted)
        recorded = found.id in service.recorded_with_audio(session)
    if as_json:
        emit({"id": found.id, "code": found.code, "audio": audio, "audio_recorded": recorded, "changed": changed})
    else:
        said = "is recorded" if recorded else "is not recorded"
        by = ", as above it" if wanted is None else ""
        click.echo(f"{found.name}: sound {said}{by}{'' if changed else ' (nothing to change)'}.")


@unit.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@data_option
@json_option
@click.option("--update", is_flag=True, help="Let rows change units that exist (name, kind, parent, dates).")
def import_file(data: Path, as_json: bool, file: Path, update: bool) -> None:
    """Add the units of a CSV file: all rows, or none when one is wrong.

    The first line names the columns: code,name,kind,parent,valid_from,valid_to in any order; the last three may be
    missing. UTF-8. An empty parent is the root; a parent may stand further down in the file. Rows equal to what is
    there change nothing, so that a file may be imported again.

    \b
    Example:
      code,name,kind,parent,valid_from,valid_to
      lam-dong,Tỉnh Lâm Đồng,province,,,
      duc-trong,Huyện Đức Trọng,district,lam-dong,,2025-07-01
    """
    try:
        with DataFolder.open(data).database().write() as session:
            done = units_csv.import_units(session, file, update=update)
    except BadRows as bad:
        if not as_json:
            raise
        emit({"added": 0, "changed": 0, "faults": [{"line": line, "reason": why} for line, why in bad.faults]})
        raise SystemExit(1) from None
    if as_json:
        emit({"added": done.added, "changed": done.changed, "unchanged": done.unchanged, "faults": []})
    else:
        click.echo(f"{done.added} units added, {done.changed} changed, {done.unchanged} unchanged.")


def _today(folder: DataFolder) -> date:
    return datetime.now(UTC).astimezone(ZoneInfo(folder.settings.centre.zone)).date()


def _dates(valid_from: date | None, valid_to: date | None) -> str:
    words = [f"from {valid_from}"] if valid_from else []
    words += [f"until {valid_to}"] if valid_to else []
    return f"  ({' '.join(words)})" if words else ""
