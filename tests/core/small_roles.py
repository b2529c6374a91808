"""Small roles under the real supervisor: `python small_roles.py DATA KIND…`; `--alone DATA KIND` one role without it.

Every role writes its process number as a line into DATA/NAME.starts when it begins its work.
"""

import asyncio
import contextlib
import functools
import os
import signal
import sys
import time
from pathlib import Path

from vonggac.core import role
from vonggac.core.datafolder import DataFolder
from vonggac.core.nursery import Newborn, supervise
from vonggac.core.role import RoleContext, run_role
from vonggac.core.supervisor import Limits


async def steady(context: RoleContext) -> None:
    await context.appear(address=f"unix:/{context.name}")
    note(context)
    await context.stop.wait()
    (context.folder.path / f"{context.name}.tidied").touch()


async def crashing(context: RoleContext) -> None:
    await context.appear()
    note(context)
    os.kill(os.getpid(), signal.SIGKILL)


async def failing(context: RoleContext) -> None:
    await context.appear()
    note(context)
    raise LookupError("a broken invariant of rtsp://user:secret@camera/1")


async def hanging(context: RoleContext) -> None:
    await context.appear()
    note(context)
    time.sleep(120)


async def stubborn(context: RoleContext) -> None:
    await context.appear()
    note(context)
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(120)


def note(context: RoleContext) -> None:
    with (context.folder.path / f"{context.name}.starts").open("a") as file:
        file.write(f"{os.getpid()}\n")


async def absent(context: RoleContext) -> None:
    note(context)
    await context.stop.wait()


KINDS = {main.__name__: main for main in (steady, crashing, failing, hanging, stubborn, absent)}


def run(folder: DataFolder, kind: str) -> int:
    return run_role(folder, kind, KINDS[kind], metrics_port=int(os.environ.get("METRICS_PORT", "-1")))


if __name__ == "__main__":
    alone = sys.argv[1] == "--alone"
    data, *kinds = sys.argv[2:] if alone else sys.argv[1:]
    folder = DataFolder.open(Path(data))
    for limit in ("FINISH_S", "CANCEL_S", "LAST_RESORT_S"):
        setattr(role, limit, float(os.environ.get(limit, getattr(role, limit))))
    if alone:
        sys.exit(run(folder, kinds[0]))
    limits = Limits(float(os.environ.get("STOP_S", "20")), float(os.environ.get("SILENCE_S", "60")))
    again = [sys.executable, str(Path(__file__).resolve()), "--alone", data]
    supervise(folder, [Newborn(kind, functools.partial(run, folder, kind), [*again, kind]) for kind in kinds], limits)
