"""`python -m bench [--quick] [NAME...]`: measure, write bench/results.json and the tables of docs/benchmarks.md."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Callable
from pathlib import Path

from bench.results import Result, keep

Measurement = Callable[[bool], list[Result]]


def measurements() -> dict[str, Measurement]:
    """Return every module of this package that takes part, by name."""
    found = {}
    for module in sorted(pkgutil.iter_modules([str(Path(__file__).parent)]), key=lambda module: module.name):
        if module.name not in ("__main__", "results"):
            results = getattr(importlib.import_module(f"bench.{module.name}"), "results", None)
            if callable(results):
                found[module.name] = results
    return found


def main() -> None:
    """Run the measurements that are named, or all of them."""
    known = measurements()
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(known)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="smaller and shorter, to see that it runs; kept nowhere")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"there is no benchmark {unknown[0]}; there are: {', '.join(known)}")
    missed = 0
    for name in options.names or known:
        print(f"{name}:", file=sys.stderr, flush=True)
        found = known[name](options.quick)
        for result in found:
            # The targets are those of the whole load: a smaller one is not judged.
            verdict = "" if options.quick else {True: " reached", False: " MISSED", None: ""}[result.met]
            target = "" if options.quick or result.target is None else f" (must reach {result.target:,.2f})"
            print(f"  {result.name}: {result.value:,.2f} {result.unit}{target}{verdict}", flush=True)
            missed += verdict == " MISSED"
        if not options.quick:
            keep(name, found)
    # A target that is missed is a result as well: it is written down, and no reason to fail.
    if not options.quick:
        print(f"{missed} targets missed" if missed else "every target reached", file=sys.stderr)


if __name__ == "__main__":
    main()
