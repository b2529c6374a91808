"""Small roles under the real supervisor: `python small_roles.py DATA KIND…`; the tests of the supervisor start it.

Every role writes its process number as a line into DATA/NAME.starts when it begins its work.
"""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from vonggac.core import supervisor
from vonggac.core.datafolder import DataFolder
from vonggac.core.role import RoleContext, run_role
from vonggac.core.supervisor import SupervisedRole, Supervisor


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
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    await asyncio.sleep(120)


def note(context: RoleContext) -> None:
    with (context.folder.path / f"{context.name}.starts").open("a") as file:
        file.write(f"{os.getpid()}\n")


KINDS = {main.__name__: main for main in (steady, crashing, failing, hanging, stubborn)}

if __name__ == "__main__":
    folder = DataFolder.open(Path(sys.argv[1]))
    supervisor.SILENCE_S = float(os.environ.get("SILENCE_S", supervisor.SILENCE_S))
    supervisor.STOP_S = float(os.environ.get("STOP_S", supervisor.STOP_S))
    supervisor._WAKE_S = 0.5
    roles = [
        SupervisedRole(kind, lambda kind=kind: run_role(folder, kind, KINDS[kind], metrics_port=-1))
        for kind in sys.argv[2:]
    ]
    sys.exit(Supervisor(folder, roles).run())
