"""A process of the demonstration: started, watched, stopped."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from vonggac.core.errors import VonggacError
from vonggac.core.process import end_with_parent

_STOP_S = 30.0
_TAIL_LINES = 8
_TAIL_BYTES = 8192


class Child:
    """`vonggac WORDS` as a process that ends with the block, and with this process however that ends.

    What it writes on standard error goes to the end of `log`, or where ours goes when there is none.
    """

    def __init__(
        self, name: str, words: Sequence[str], environment: Mapping[str, str], log: Path | None = None
    ) -> None:
        self._name = name
        self._words = [sys.executable, "-m", "vonggac", *words]
        self._environment = {**os.environ, **environment}
        self._log = log
        self.process: subprocess.Popen[bytes]

    def __enter__(self) -> Child:
        with contextlib.ExitStack() as opened:
            log = opened.enter_context(self._log.open("ab")) if self._log is not None else None
            self.process = subprocess.Popen(
                self._words,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                # Ctrl-C goes to everything in the terminal's group; the order of stopping is ours.
                start_new_session=True,
                preexec_fn=partial(end_with_parent, os.getpid()),  # noqa: PLW1509 - no other thread runs here
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def check(self) -> None:
        """Raise VonggacError with the last lines of its log when the process has ended."""
        if (status := self.process.poll()) is not None:
            raise VonggacError(f"{self._name} ended with status {status}.{self._last_words()}")

    def read_line(self, timeout_s: float) -> str:
        """Return the first line that it prints; VonggacError when it ends before, or none came in time."""
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        line = bytearray()
        deadline_s = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if time.monotonic() > deadline_s:
                    raise VonggacError(f"{self._name} did not start within {timeout_s:.0f} s.{self._last_words()}")
                if not selector.select(deadline_s - time.monotonic()):
                    continue
                if not (part := os.read(descriptor, 65_536)):
                    self.__exit__()
                    self.check()
                line += part
        return line.decode()

    def _last_words(self) -> str:
        if self._log is None:
            return " Why stands above."
        lines = self._log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").splitlines()[-_TAIL_LINES:]
        return f" The last lines of {self._log}:\n" + "\n".join(f"  {line}" for line in lines)
