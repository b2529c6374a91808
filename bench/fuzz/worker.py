"""A child that fuzzes, and the parent's view of it: the input at hand lies in shared memory, so that one that kills or
hangs the child is known.

Of a sample of the inputs the memory is measured that the parser takes for them; the child as a whole has a limit.
"""

from __future__ import annotations

import hashlib
import itertools
import mmap
import os
import resource
import signal
import struct
import time
import traceback
import tracemalloc
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

from bench import REPOSITORY
from bench.fuzz.mutate import LIMIT, mutated
from bench.fuzz.targets import Target, Violated

HANG_CPU_S = 5.0
"""Processor time for one input; the slowest honest one takes some milliseconds."""
TURN_S = 0.5
"""Processor time of one turn of a target of weight 1."""
SAMPLED = 250
"""Of so many inputs one is run with its memory measured."""
INPUT_MEMORY = 4 << 20
INPUT_MEMORY_A_BYTE = 200
"""What an input may take at most: this much, and for each of its bytes that much (an object for every three)."""
CHILD_MEMORY = 768 << 20
KEPT, KEPT_BYTES = 256, 16 * 1024
"""Inputs that a child keeps for each target since something new came of them, and how long they may be."""
OUTCOMES = 4096
WARM_UP_TURNS = 4

_HEAD = struct.Struct(">QIB")
_NONE = 255


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that a parser does not bear."""

    target: str
    key: str
    """The same for what is probably the same fault."""
    data: bytes
    trace: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What a child did in one go."""

    target: str
    inputs: int
    cpu_s: float
    peak: int
    """Most bytes that one sampled input took."""
    slowest_s: float
    resident: int
    """Bytes of the child after it, without the inputs that it keeps."""


def run_one(target: Target, data: bytes) -> tuple[Hashable, Finding | None]:
    """Run one input; return what came of it, or the finding."""
    try:
        return target.check(data), None
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever is not documented is what we look for
        return None, Finding(target.name, _key(error), data, traceback.format_exc())


def measured(target: Target, data: bytes) -> tuple[int, Finding | None]:
    """Run one input and return the most memory that it took at a time."""
    tracemalloc.start()
    try:
        _, finding = run_one(target, data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    if finding is None and peak > INPUT_MEMORY + INPUT_MEMORY_A_BYTE * len(data):
        finding = Finding(target.name, "memory", data, f"{peak:,} bytes were taken for an input of {len(data):,} bytes")
    return peak, finding


def shrunk(target: Target, finding: Finding, tries: int = 400) -> Finding:
    """Return the same finding with a shorter input, if parts of it can be left out."""
    data, size = finding.data, len(finding.data) // 2
    while size and tries > 0:
        at = 0
        while at < len(data) and tries > 0:
            shorter = data[:at] + data[at + size :]
            tries -= 1
            _, again = run_one(target, shorter)
            if again is not None and again.key == finding.key:
                data = shorter
            else:
                at += size
        size //= 2
    _, again = run_one(target, data)
    return again if again is not None and again.key == finding.key else finding


def _key(error: BaseException) -> str:
    if isinstance(error, Violated):
        return f"Violated: {error}"
    places = [frame for frame in traceback.extract_tb(error.__traceback__) if "/vonggac/" in frame.filename]
    place = f"{Path(places[-1].filename).name}:{places[-1].lineno}" if places else "the check"
    return f"{type(error).__name__} in {place}"


@dataclass
class Child:
    """A fuzzing child as its parent sees it."""

    targets: Sequence[Target]
    seed: int
    pid: int = 0
    pipe: Connection | None = None
    _memory: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, _HEAD.size + LIMIT))
    _seen: tuple[int, float] = (0, 0.0)

    def start(self) -> None:
        """Fork it. Its chance depends on the seed; where its turns end depends on the clock."""
        _HEAD.pack_into(self._memory, 0, 0, 0, _NONE)
        ours, theirs = get_context("fork").Pipe(duplex=False)
        self.pid = os.fork()
        if self.pid == 0:
            ours.close()
            status = 1
            try:
                _fuzz(self.targets, Random(self.seed), theirs, self._memory)
                status = 0
            except (KeyboardInterrupt, BrokenPipeError):
                status = 0
            except BaseException:  # noqa: BLE001 - a forked child must not run on in its parent's code
                traceback.print_exc()
            finally:
                os._exit(status)
        theirs.close()
        self.pipe = ours
        self._seen = (0, 0.0)

    def hanging(self) -> bool:
        """Whether it has spent more on one input than any may take."""
        number, _, place = _HEAD.unpack_from(self._memory, 0)
        spent = _cpu_seconds(self.pid)
        if number != self._seen[0] or place == _NONE:
            self._seen = number, spent
        return spent - self._seen[1] > HANG_CPU_S

    def at_hand(self) -> tuple[str, bytes]:
        """The target and the input that it was at last."""
        _, size, place = _HEAD.unpack_from(self._memory, 0)
        name = self.targets[place].name if place < len(self.targets) else ""
        return name, self._memory[_HEAD.size : _HEAD.size + size]

    def end(self) -> int:
        """Kill it if it runs, and return its wait status; nothing the second time."""
        if not self.pid:
            return 0
        os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        if self.pipe is not None:
            self.pipe.close()
        return status


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident() -> int:
    """Return the bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def _fuzz(targets: Sequence[Target], rng: Random, pipe: Connection, memory: mmap.mmap) -> None:
    """Take the targets in turn, for ever; the parent ends this."""
    resource.setrlimit(resource.RLIMIT_AS, (CHILD_MEMORY + _address_space(),) * 2)
    corpora = [target.corpus() for target in targets]
    kept: list[list[bytes]] = [[] for _ in targets]
    seen: list[set[int]] = [set() for _ in targets]  # hashes of outcomes
    found: set[tuple[str, str]] = set()
    number = 0
    for place, target in itertools.cycle(enumerate(targets)):
        others, mine, begin = corpora[place], kept[place], time.process_time()
        inputs, peak, slowest, now = 0, 0, 0.0, begin
        while now - begin < TURN_S * target.weight:
            data = _next(target, rng, others, mine)
            number += 1
            inputs += 1
            memory[_HEAD.size : _HEAD.size + len(data)] = data
            _HEAD.pack_into(memory, 0, number, len(data), place)
            outcome: Hashable = None
            if number % SAMPLED == 0:
                took, finding = measured(target, data)
                peak = max(peak, took)
                now = time.process_time()
            else:
                outcome, finding = run_one(target, data)
                before, now = now, time.process_time()
                slowest = max(slowest, now - before)
            if finding is not None:
                if (finding.target, finding.key) not in found:
                    found.add((finding.target, finding.key))
                    pipe.send(shrunk(target, finding) if finding.key != "memory" else finding)
                    now = time.process_time()
            elif outcome is not None and (mark := hash(outcome)) not in seen[place] and len(seen[place]) < OUTCOMES:
                seen[place].add(mark)
                if len(data) <= KEPT_BYTES:
                    _keep(mine, data, rng)
        _HEAD.pack_into(memory, 0, number, 0, _NONE)
        held = sum(len(data) for some in kept for data in some)
        pipe.send(Turn(target.name, inputs, now - begin, peak, slowest, resident() - held))


def _next(target: Target, rng: Random, others: list[bytes], mine: list[bytes]) -> bytes:
    chance = rng.random()
    if target.grammar is not None and chance < 0.2:
        data = target.grammar(rng)
        if chance < 0.1:
            return data[:LIMIT]
    elif mine and chance < 0.6:
        data = mine[int(rng.random() * len(mine))]
    else:
        data = others[int(rng.random() * len(others))]
    return mutated(data, rng, mine if mine and chance > 0.8 else others, target.tokens)


def _keep(mine: list[bytes], data: bytes, rng: Random) -> None:
    if len(mine) < KEPT:
        mine.append(data)
    else:
        mine[int(rng.random() * KEPT)] = data


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE


def save(folder: Path, finding: Finding, seed: int) -> Path:
    """Write the input as a file that `--replay` takes, and what it did beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{finding.target}.{hashlib.sha256(finding.data).hexdigest()[:10]}.bin"
    path.write_bytes(finding.data)
    path.with_suffix(".txt").write_text(f"{finding.key}\nseed of the child: {seed}\n\n{finding.trace}")
    return path


FOLDER = REPOSITORY / "build" / "fuzz"
