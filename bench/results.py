"""Results of benchmarks: kept in results.json by name, shown as tables in docs/benchmarks.md."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import REPOSITORY

JSON_PATH = REPOSITORY / "bench" / "results.json"
PAGE_PATH = REPOSITORY / "docs" / "benchmarks.md"

Row = dict[str, Any]


@dataclass(frozen=True)
class Result:
    """One measured figure. `target` is what it must reach, `peer` the same figure of what it is compared with."""

    name: str
    value: float
    unit: str
    target: float | None = None
    at_least: bool = False
    """Whether more is better; else the value must be at most the target."""
    peer: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None without one."""
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target

    def row(self, group: str) -> Row:
        """Return it as results.json holds it, with where, when and by which command it was measured."""
        fields = {key: value for key, value in asdict(self).items() if key != "at_least"}
        return {
            **{key: round(value, 4) if isinstance(value, float) else value for key, value in fields.items()},
            "met": self.met,
            "group": group,
            "date": datetime.now(UTC).date().isoformat(),
            "machine": machine(),
            "command": command(),
        }


def tell(group: str, found: Iterable[Result], *, whole: bool) -> None:
    """Print what a program of its own has measured; only the whole measurement of the table is kept, too."""
    results = list(found)
    for result in results:
        print(result)
    if whole:
        keep(group, results)


def machine() -> str:
    """Return the machine in words: processor, cores, kernel."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


def command() -> str:
    """Return how this program was called, from the repository's root."""
    program = Path(sys.argv[0])
    module = "bench" if program.name == "__main__.py" else f"bench.{program.stem}"
    return " ".join(["python", "-m", module, *sys.argv[1:]])


def keep(group: str, results: Iterable[Result]) -> None:
    """Put results in the place of those of the same names, in results.json and on the page."""
    rows: dict[str, Row] = {row["name"]: row for row in load()}
    rows |= {result.name: result.row(group) for result in results}
    _replace(JSON_PATH, json.dumps(list(rows.values()), indent=1, ensure_ascii=False) + "\n")
    _replace(PAGE_PATH, with_tables(PAGE_PATH.read_text("utf-8"), list(rows.values())))


def load() -> list[Row]:
    """Return the rows of results.json; none where it does not exist yet."""
    if not JSON_PATH.exists():
        return []
    rows: list[Row] = json.loads(JSON_PATH.read_text("utf-8"))
    return rows


def with_tables(page: str, rows: list[Row]) -> str:
    """Return the page with the table of each group between its markers (a group without markers goes to the end)."""
    for group in dict.fromkeys(row["group"] for row in rows):
        begin, end = f"<!-- {group}: begin -->", f"<!-- {group}: end -->"
        if begin not in page:
            page = f"{page.rstrip()}\n\n## {group}\n\n{begin}\n{end}\n"
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        page = f"{before}{begin}\n\n{_table([row for row in rows if row['group'] == group])}\n\n{end}{after}"
    return page


def _table(rows: list[Row]) -> str:
    lines = ["| what | measured | must reach | peer | |", "|---|---|---|---|---|"]
    for row in rows:
        reached = {True: "reached", False: "**missed**", None: ""}[row["met"]]
        target = "" if row["target"] is None else f"{_figure(row['target'])} {row['unit']}"
        peer = "" if row["peer"] is None else f"{_figure(row['peer'])} {row['unit']}"
        cells = [row["name"], f"{_figure(row['value'])} {row['unit']}", target, peer, reached]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", *dict.fromkeys(f"- {row['name']}: {row['note']}" for row in rows if row["note"]), ""]
    lines += dict.fromkeys(f"Measured {row['date']} on {row['machine']}: `{row['command']}`" for row in rows)
    return "\n".join(lines).rstrip()


def _figure(value: float) -> str:
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3g}"


def _replace(path: Path, text: str) -> None:
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text, "utf-8")
    unfinished.replace(path)
