"""A mutation fuzzer for the parsers: `python -m bench.fuzz`. What it does and what it found: docs/fuzzing.md.

`targets` says what is fuzzed and what must hold, `corpus` holds valid inputs to begin with, `grammars` makes inputs of
their form, `mutate` damages them, `worker` runs them in child processes under watch, `report` writes the table.
"""
