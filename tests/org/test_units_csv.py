"""Units from CSV: all rows or none, parents in any order, cycles refused, faults named with their lines."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonggac.core import schema
from vonggac.core.database import Database
from vonggac.core.errors import Invalid
from vonggac.org import service
from vonggac.org.csv_table import BadRows, Row, parse_table
from vonggac.org.units_csv import Imported, import_units, plan

HEADER = "code,name,kind,parent,valid_from,valid_to\n"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    schema.upgrade(database)
    with database.write() as session:
        service.make_root(session, "Centre")
    yield database
    database.close()


def written(folder: Path, text: str) -> Path:
    path = folder / "units.csv"
    path.write_text(text, "utf-8")
    return path


def imported(database: Database, path: Path, *, update: bool = False) -> Imported:
    with database.write() as session:
        return import_units(session, path, update=update)


def paths(database: Database) -> list[str]:
    with database.read() as session:
        return [branch.path for branch in service.tree(session)]


def test_parents_may_stand_below_their_children_and_be_named_by_code_or_path(
    database: Database, tmp_path: Path
) -> None:
    file = written(
        tmp_path,
        HEADER + "lien-nghia,Thị trấn Liên Nghĩa,town,lam-dong/duc-trong,,\n"
        "phu-hoi,Phú Hội,commune,duc-trong,,\n"
        "duc-trong,Huyện Đức Trọng,district,lam-dong,,2025-07-01\n"
        "lam-dong,Tỉnh Lâm Đồng,province,,,\n",
    )
    assert imported(database, file) == Imported(4, 0, 0)
    assert paths(database) == [
        "root",
        "lam-dong",
        "lam-dong/duc-trong",
        "lam-dong/duc-trong/phu-hoi",
        "lam-dong/duc-trong/lien-nghia",
    ]
    assert imported(database, file) == Imported(0, 0, 4)


def test_one_bad_row_keeps_all_others_out_and_every_fault_is_named_with_its_line(
    database: Database, tmp_path: Path
) -> None:
    file = written(
        tmp_path,
        HEADER + "good,Good,commune,,,\nBad Code,Bad,commune,,,\ngood,Twice,commune,,,\nlate,Late,commune,,x,\n",
    )
    with pytest.raises(BadRows) as failed:
        imported(database, file)
    assert [line for line, _ in failed.value.faults] == [3, 4, 5]
    assert "line 4: the code good stands on line 2 already" in str(failed.value)
    assert paths(database) == ["root"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("a,A,x,b,,\nb,B,x,a,,\n", "would hang below itself: a < b < a"),
        ("a,A,x,a,,\n", "would hang below itself: a < a"),
        ("a,A,x,nowhere,,\n", "its parent nowhere is neither in the file"),
        ("a,A,x,,,\nb,B,x,c/a,,\n", "its parent c/a does not exist; a is root/a"),
        ("root,Centre,centre,a,,\na,A,x,,,\n", "has no parent"),
    ],
)
def test_rows_that_make_no_tree_are_refused(database: Database, tmp_path: Path, rows: str, words: str) -> None:
    with pytest.raises(BadRows, match=words):
        imported(database, written(tmp_path, HEADER + rows))
    assert paths(database) == ["root"]


def test_a_unit_that_exists_is_changed_only_when_asked(database: Database, tmp_path: Path) -> None:
    imported(database, written(tmp_path, HEADER + "a,A,x,,,\nb,B,x,a,,\n"))
    changed = written(tmp_path, HEADER + "b,New name,y,,2025-07-01,\n")
    with pytest.raises(BadRows, match="exists with another name, kind, valid_from, parent"):
        imported(database, changed)
    assert imported(database, changed, update=True) == Imported(0, 1, 0)
    assert paths(database) == ["root", "a", "b"]


def test_an_update_cannot_close_a_circle_through_units_that_exist(database: Database, tmp_path: Path) -> None:
    imported(database, written(tmp_path, HEADER + "a,A,x,,,\nb,B,x,a,,\n"))
    with pytest.raises(BadRows, match="below itself"):
        imported(database, written(tmp_path, HEADER + "a,A,x,b,,\n"), update=True)


def test_a_chain_deeper_than_the_limit_is_refused(database: Database, tmp_path: Path) -> None:
    rows = "".join(f"u{i},U,x,{f'u{i - 1}' if i else ''},,\n" for i in range(40))
    with pytest.raises(BadRows, match="more than 32 levels"):
        imported(database, written(tmp_path, HEADER + rows))


@given(st.lists(st.integers(-1, 11), min_size=12, max_size=12), st.permutations(range(12)))
def test_any_wish_of_parents_gives_a_tree_with_parents_first_or_a_named_fault(
    parents: list[int], order: list[int]
) -> None:
    rows = [
        Row(line, {"code": f"u{i}", "name": "U", "kind": "x", "parent": f"u{parents[i]}" if parents[i] >= 0 else ""})
        for line, i in enumerate(order, 2)
    ]
    root = plan([Row(2, {"code": "root", "name": "R", "kind": "x"})], {}, "root")[0]
    circles = {i for i in range(12) if _runs_in_a_circle(i, parents)}
    if circles:
        with pytest.raises(BadRows) as failed:
            plan(rows, {"root": root}, "root")
        assert all("below itself" in reason for _, reason in failed.value.faults)
        assert {order[line - 2] for line, _ in failed.value.faults} == circles
        return
    planned = plan(rows, {"root": root}, "root")
    seen = {"root"}
    for placed in planned:
        assert placed.parent in seen
        seen.add(placed.fields.code)
    assert len(seen) == 13


def _runs_in_a_circle(start: int, parents: list[int]) -> bool:
    here = start
    for _ in range(13):
        here = parents[here]
        if here < 0:
            return False
    return True


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty. Its first line must be: code,name,kind"),
        (b"code,name\n", "column kind is missing"),
        (b"code,name,kind,colour\n", "unknown column .colour."),
        (b"code,name,kind,code\n", "stands there twice"),
        ("code,name,kind\nâ,b,c".encode("utf-16"), "not UTF-8"),
        (b"code,name,kind\na,\xff,c", "not UTF-8"),
        (b"code,name,kind\na,b\n", "line 2: 2 columns instead of 3"),
        (b"code,name,kind\na,b\0,c\n", "zero character"),
        (b'code,name,kind\na,"b,c\n', "line 2: 2 columns instead of 3"),
        (b"code,name,kind\na," + b"x" * 200_000 + b",c\n", "field larger"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused_in_plain_words(data: bytes, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        parse_table(data, "units.csv", ("code", "name", "kind"), ("parent",))


def test_byte_order_mark_semicolons_odd_order_and_empty_lines_are_understood() -> None:
    data = '\ufeffName;CODE;kind\r\n\r\n"Chợ; cổng Bắc";a;x\r\n'.encode()
    assert parse_table(data, "f", ("code", "name", "kind")) == [
        Row(3, {"name": "Chợ; cổng Bắc", "code": "a", "kind": "x"})
    ]


def test_a_row_is_named_by_the_line_on_which_it_begins() -> None:
    data = b'code,name,kind\na,"two\nlines",x\nb,B\n'
    with pytest.raises(BadRows) as failed:
        parse_table(data, "f", ("code", "name", "kind"))
    assert [line for line, _ in failed.value.faults] == [4]


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_a_plain_error(data: bytes) -> None:
    for prefix in (b"", b"code,name,kind\n"):
        with contextlib.suppress(Invalid):
            parse_table(prefix + data, "f", ("code", "name", "kind"), ("parent",))
