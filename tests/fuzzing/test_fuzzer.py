"""The fuzzer finds what it is there to find, and its targets bear what is valid and what is a little damaged."""

from __future__ import annotations

import os
from random import Random

import pytest
from bench.fuzz import __main__ as program
from bench.fuzz import worker
from bench.fuzz.mutate import LIMIT, mutated
from bench.fuzz.report import Run, Tally, table
from bench.fuzz.targets import Target, Violated, known

TARGETS = known()


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS, ids=[target.name for target in TARGETS])
def test_every_parser_bears_valid_inputs_and_a_hundred_damaged_ones(target):
    inputs, rng = target.corpus(), Random(20_201_124)
    damaged = [mutated(rng.choice(inputs), rng, inputs, target.tokens) for _ in range(100)]
    made = [target.grammar(rng) for _ in range(50)] if target.grammar else []
    for data in (*inputs, *damaged, *made):
        _, finding = worker.run_one(target, data)
        assert finding is None, finding.trace


def planted(check) -> Target:
    return Target("planted", "a fault that is there", lambda: [b"abcdefgh" * 4], check)


def found_by(target: Target, monkeypatch, tmp_path) -> program.Watch:
    """Let one child run the target until it has found something; every input begins as a valid one, and is damaged."""
    monkeypatch.setattr(program, "FOLDER", tmp_path)
    monkeypatch.setattr(worker, "HANG_CPU_S", 0.5)
    watch = program.Watch([target], seed=1, processes=1)
    found = watch._found

    def stop_at_first(finding: worker.Finding, seed: int) -> None:
        found(finding, seed)
        raise KeyboardInterrupt

    monkeypatch.setattr(watch, "_found", stop_at_first)
    watch.until(10**9, 60)
    return watch


def test_an_error_that_is_not_documented_is_found_shortened_and_saved(monkeypatch, tmp_path, capfd):
    def check(data: bytes) -> int:
        if b"\x00" in data:
            raise ZeroDivisionError("planted")
        return len(data)

    (finding,) = found_by(planted(check), monkeypatch, tmp_path).findings
    assert finding.key.startswith("ZeroDivisionError")
    assert finding.data == b"\x00"
    (saved,) = tmp_path.glob("planted.*.bin")
    assert saved.read_bytes() == b"\x00"
    assert "ZeroDivisionError: planted" in saved.with_suffix(".txt").read_text()
    assert program.replay([planted(check)], saved) == 1
    assert program.replay([planted(len)], saved) == 0


@pytest.mark.slow
def test_an_input_that_never_ends_is_found_by_the_time_that_it_takes(monkeypatch, tmp_path, capfd):
    def check(data: bytes) -> int:
        while data.endswith(b"hh"):
            pass
        return len(data)

    (finding,) = found_by(planted(check), monkeypatch, tmp_path).findings
    assert "no end after" in finding.key
    assert finding.data.endswith(b"hh")


def test_an_input_that_kills_the_process_is_known_afterwards(monkeypatch, tmp_path, capfd):
    def check(data: bytes) -> int:
        if len(data) > 40:
            os._exit(9)
        return len(data)

    (finding,) = found_by(planted(check), monkeypatch, tmp_path).findings
    assert finding.key == "the process died"
    assert len(finding.data) > 40


def test_memory_beyond_measure_is_found_in_a_sample():
    def check(data: bytes) -> int:
        return len(bytes(6 << 20))

    peak, finding = worker.measured(planted(check), b"x")
    assert peak > 6 << 20
    assert finding is not None
    assert finding.key == "memory"


def test_a_promise_that_is_not_kept_is_one_finding_by_its_words():
    def check(data: bytes) -> int:
        raise Violated("a picture is bounded")

    _, finding = worker.run_one(planted(check), b"x")
    assert finding is not None
    assert finding.key == "Violated: a picture is bounded"


def test_damage_is_bounded_and_follows_from_the_seed():
    inputs = [b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n" * 1000]
    one, two = ([mutated(inputs[0], rng, inputs, [b"x"]) for _ in range(200)] for rng in (Random(5), Random(5)))
    assert one == two
    assert max(map(len, one)) <= LIMIT
    assert len(set(one)) > 190


def test_the_account_adds_up_runs_and_hides_no_finding():
    runs = [Run(1, seconds=60, tallies={"planted": Tally(10, 1.0, 5000, 0.1, 1)}),
            Run(2, seconds=60, tallies={"planted": Tally(20, 1.0, 3000, 0.2, 0)})]  # fmt: skip
    text = table(runs, [planted(len)])
    assert "| planted | a fault that is there | 30 | 2 s | 15 | 5 KB | 200 ms | 1 |" in text
    assert "seed 1: 10 inputs in 1 minutes, 1 findings" in text
