"""Every line that the log can hold at warning or above stands in docs/troubleshooting.md, with what to do."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOUD = {"warning", "error", "exception", "critical"}


def loud_lines() -> Iterator[tuple[str, str]]:
    """Yield the text of every such line in the sources, and where it is written."""
    for path in sorted((ROOT / "src" / "vonggac").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            # `log` gets its level first: it may be a loud one.
            words = node.args[1:2] if node.func.attr == "log" else node.args[:1] if node.func.attr in LOUD else []
            for word in words:
                if isinstance(word, ast.Constant) and isinstance(word.value, str):
                    yield word.value, f"{path.relative_to(ROOT)}:{node.lineno}"


def described_lines() -> list[str]:
    text = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
    return [line.removeprefix("### ").strip() for line in text.splitlines() if line.startswith("### ")]


def test_every_loud_line_of_the_log_is_in_the_troubleshooting_page():
    described = set(described_lines())
    missing = {place: line for line, place in loud_lines() if line not in described}
    assert missing == {}, "add each with its cause and what to do: docs/troubleshooting.md"


def test_the_troubleshooting_page_describes_no_line_that_is_gone():
    written = {line for line, _ in loud_lines()}
    assert [line for line in described_lines() if line not in written] == []


def test_the_troubleshooting_page_describes_each_line_once():
    described = described_lines()
    assert len(described) == len(set(described))
