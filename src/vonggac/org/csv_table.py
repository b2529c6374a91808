"""Tables that people make in a spreadsheet: read from CSV, every row with its line, every fault named."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from vonggac.core.errors import Invalid

LARGEST_BYTES = 64 * 1024 * 1024
_FAULTS_SHOWN = 30


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line on which it begins (the header's is 1), and its texts by column, without outer spaces."""

    line: int
    values: dict[str, str]

    def __getitem__(self, column: str) -> str:
        """Return a text, empty when the file has no such column."""
        return self.values.get(column, "")


class BadRows(Invalid):
    """Rows that break a rule: nothing was imported. `faults` are line and reason, in the order of the lines."""

    def __init__(self, source: str, faults: list[tuple[int, str]]) -> None:
        self.faults = sorted(faults)
        lines = [f"  line {line}: {reason}" for line, reason in self.faults[:_FAULTS_SHOWN]]
        if len(self.faults) > _FAULTS_SHOWN:
            lines.append(f"  and {len(self.faults) - _FAULTS_SHOWN} more")
        count = f"{len(faults)} row{'s' if len(faults) > 1 else ''}"
        super().__init__(f"{source}: {count} cannot be imported, so none was:\n" + "\n".join(lines))


def read_table(path: Path, required: Collection[str], optional: Collection[str] = ()) -> list[Row]:
    """Return the rows of a CSV file in UTF-8 (with or without byte order mark), columns in any order.

    Commas or, as spreadsheets with a decimal comma write them, semicolons. Empty lines are passed over. Invalid when
    the header is wrong, BadRows when rows are longer or shorter than it.
    """
    if path.stat().st_size > LARGEST_BYTES:
        raise Invalid(f"{path} is larger than {LARGEST_BYTES >> 20} MiB. Split it.")
    return parse_table(path.read_bytes(), str(path), required, optional)


def parse_table(data: bytes, source: str, required: Collection[str], optional: Collection[str] = ()) -> list[Row]:
    """Return the rows of the bytes of a CSV file: see `read_table`."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid(f"{source} is not UTF-8 text. Save it as “CSV UTF-8” from the spreadsheet.") from None
    if "\0" in text:
        raise Invalid(f"{source} holds a zero character: it is no text, or damaged.")
    lines = list(_lines(text, source))
    if not lines:
        raise Invalid(f"{source} is empty. Its first line must be: {','.join([*required, *optional])}")
    header = [name.strip().lower() for name in lines[0][1]]
    _check_header(header, source, required, optional)
    rows, faults = [], []
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            faults.append((line, f"{len(cells)} columns instead of {len(header)}. A comma in a text needs quotes."))
            continue
        rows.append(Row(line, {name: cell.strip() for name, cell in zip(header, cells, strict=True)}))
    if faults:
        raise BadRows(source, faults)
    return rows


def _lines(text: str, source: str) -> Iterator[tuple[int, list[str]]]:
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if first.count(";") > first.count(",") else ",")
    before = 0
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield before + 1, cells
            before = reader.line_num
    except csv.Error as error:
        raise Invalid(f"{source}, line {reader.line_num}: {error}. Is a quote missing?") from None


def _check_header(header: list[str], source: str, required: Collection[str], optional: Collection[str]) -> None:
    allowed = [*required, *optional]
    wanted = f" The first line may hold: {', '.join(allowed)}."
    if unknown := [name for name in header if name not in allowed]:
        raise Invalid(f"{source}: unknown column “{unknown[0][:40]}”.{wanted}")
    if twice := [name for name in allowed if header.count(name) > 1]:
        raise Invalid(f"{source}: the column {twice[0]} stands there twice.")
    if missing := [name for name in required if name not in header]:
        raise Invalid(f"{source}: the column {missing[0]} is missing.{wanted}")
