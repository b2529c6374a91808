"""Benchmarks: measured claims only. `python -m bench` runs them and writes results.json and docs/benchmarks.md.

A module takes part by having `results(quick: bool) -> list[Result]`; others are micro-benchmarks run by themselves.
"""

from __future__ import annotations

import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]

# The foreign camera, the numbered clips and the throw-away PostgreSQL are those of the tests.
sys.path.insert(0, str(REPOSITORY / "tests"))
