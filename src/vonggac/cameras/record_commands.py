"""The record of a camera on the command line: the options of its fields, and the register as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from vonggac.cameras import csv_export, service
from vonggac.cameras.record import NAMES, RecordValue, field_value
from vonggac.core.commands import data_option
from vonggac.core.datafolder import DataFolder
from vonggac.core.errors import Invalid
from vonggac.org import service as org

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS: dict[str, tuple[str, str]] = {
    "place": ("WORDS", "Where it hangs, in words that lead a technician there."),
    "owner": ("WORDS", "Organisation or post that it belongs to."),
    "supplier": ("WORDS", "Who delivered it and mends it."),
    "contract": ("NUMBER", "Number of the contract."),
    "guarantee_until": ("DAY", "Last day of its guarantee, 31/05/2027 or 2027-05-31."),
    "certificate": ("NUMBER", "Its certificate of conformity with QCVN 135:2024/BTTTT."),
    "certificate_until": ("DAY", "Last day of that certificate."),
    "installed_on": ("DAY", "Day on which it was installed."),
    "remarks": ("WORDS", "Whatever else is worth knowing."),
}


def record_options(command: F) -> F:
    """Give a command an option for each field of the record: parameters by the fields' names, None where not given."""
    for name in reversed(NAMES):
        metavar, help_text = _OPTIONS[name]
        command = click.option(f"--{name.replace('_', '-')}", name, metavar=metavar, help=help_text)(command)
    return command


def changed_fields(record: Mapping[str, str | None]) -> dict[str, RecordValue]:
    """Return the fields that were given, as they are stored; an empty text empties a field."""
    return {name: field_value(name, text) for name, text in record.items() if text is not None}


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@data_option
@click.option("--unit", metavar="UNIT", default="", help="Only this unit and what is below it.")
def export(data: Path, file: Path | None, unit: str) -> None:
    """Write the register of cameras to FILE as CSV, or to standard output: for a spreadsheet, or another centre.

    All columns that `vonggac camera import` reads, except user and password, which never leave the centre; a password
    in an address is starred.

    \b
    Examples:
      vonggac camera export cameras.csv
      vonggac camera export --unit lien-nghia > lien-nghia.csv
    """
    if file is not None and file.exists():
        raise Invalid(f"{file} exists already. Give another name, or delete it.")
    with DataFolder.open(data).database().read() as session:
        top = org.find_unit(session, unit) if unit else None
        cameras = sorted(service.list_cameras(session, unit=top), key=lambda camera: camera.number)
        table = csv_export.export_cameras(session, cameras)
    if file is None:
        click.echo(table, nl=False)
        return
    file.write_text(table, encoding="utf-8", newline="")
    click.echo(f"{len(cameras)} cameras are in {file}.")
