"""The life of a role: log, lock, schema, database, presence, metrics, signals, and an end in bounded time.

A role is a function `run(folder, name) -> int` that calls `run_role` with its own `main(context)`. The same function
serves `vonggac run ROLE` and the supervisor's child.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector
from sqlalchemy.exc import OperationalError

from vonggac.core import metrics, presence, process, schema, systemd
from vonggac.core.database import Database
from vonggac.core.datafolder import DataFolder
from vonggac.core.errors import AlreadyRunning, VonggacError
from vonggac.core.log import Log, RateLimit, configure, get_logger, redact
from vonggac.core.supervisor import REFUSED

__all__ = ["DONE", "FAILED", "REFUSED", "RoleContext", "run_role"]

FINISH_S = 15.0
"""After it was asked to stop a role has this long to end by itself."""
CANCEL_S = 3.0
"""After it was cancelled it has this long to clean up."""
LAST_RESORT_S = 25.0
"""After this the process is ended from outside Python, its threads' stacks on standard error (a hung disk or line)."""

MOST_OPEN_FILES = 65_536

DONE = 0
FAILED = 1

Main = Callable[["RoleContext"], Awaitable[None]]


class RoleContext:
    """What a role's `main` gets.

    `stop` is set when the role is to end; main then returns within FINISH_S. `registry` takes its metrics.
    """

    def __init__(
        self, folder: DataFolder, database: Database, name: str, registry: CollectorRegistry, metrics_address: str
    ) -> None:
        self.folder = folder
        self.database = database
        self.name = name
        self.stop = asyncio.Event()
        self.log: Log = get_logger()
        self.registry = registry
        self.metrics_address = metrics_address
        self.appeared = False

    async def appear(self, address: str = "", metrics_address: str = "") -> None:
        """Say that the role does its work from now on: its row (renewed from then on), its event, and to systemd.

        `address` is where others reach it (`unix:PATH`); call it once, when that answers. `metrics_address` is for a
        role that serves `/metrics` by itself.
        """
        await self.database.run(
            presence.appear, self.name, address=address, metrics=metrics_address or self.metrics_address
        )
        self.appeared = True
        process.trim_memory()
        systemd.notify("READY=1")


def run_role(
    folder: DataFolder,
    name: str,
    main: Main,
    *,
    metrics_port: int = metrics.NOT_SERVED,
    collectors: Iterable[Collector] = (),
) -> int:
    """Be the role `name` until it is told to stop; return the exit status (DONE, FAILED or REFUSED).

    Call it from the main thread of a process that does nothing else. SIGTERM, SIGINT and SIGHUP set `context.stop`.
    """
    configure(folder.settings.log, name)
    process.set_name(f"vg-{name}")
    process.use_one_heap()
    log = get_logger()
    _allow_open_files()
    try:
        with folder.lock(name):
            return _hold(folder, name, main, metrics_port, collectors)
    except AlreadyRunning as error:
        log.error("This role runs already", reason=str(error))
        return REFUSED
    except VonggacError as error:
        log.error("The role cannot go on", reason=str(error))
    except OperationalError as error:
        log.error("The database cannot be used", reason=redact(" ".join(str(error.orig).split())))
    except (Exception, asyncio.CancelledError):  # the edge of the process: whatever it was, it is written down
        log.exception("The role failed")
    finally:
        faulthandler.cancel_dump_traceback_later()
    return FAILED


def _hold(folder: DataFolder, name: str, main: Main, metrics_port: int, collectors: Iterable[Collector]) -> int:
    import uvloop

    database = folder.database()
    try:
        schema.check(database)
        registry = metrics.make_registry(name)
        for collector in collectors:
            registry.register(collector)
        host = folder.settings.metrics.host
        port = metrics.serve(host, metrics_port, registry)
        address = "" if port == metrics.NOT_SERVED else f"http://{host}:{port}/metrics"

        async def live() -> int:
            context = RoleContext(folder, database, name, registry, address)
            return await _live(context, main)

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(live())
    finally:
        database.close()


def _allow_open_files() -> None:
    # The soft limit is low (1024) for the sake of programs that use select(2); none of ours does.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _live(context: RoleContext, main: Main) -> int:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_unhandled)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup(1)
            loop.add_signal_handler(number, _ask_to_stop, context)
    context.log.info("The role starts")
    work = asyncio.ensure_future(main(context))
    chores = [
        asyncio.create_task(context.stop.wait(), name="stop"),
        asyncio.create_task(_renew(context), name="presence"),
        asyncio.create_task(_beat(), name="watchdog"),
    ]
    try:
        await asyncio.wait({work, *chores}, return_when=asyncio.FIRST_COMPLETED)
        in_time = work.done() or await _finish(context, work)
        for chore in chores:
            if chore.done() and chore.get_name() != "stop":
                chore.result()
        if in_time:
            work.result()
        context.log.info("The role ends")
        return DONE if in_time else FAILED
    finally:
        for chore in chores:
            chore.cancel()
        with contextlib.suppress(OperationalError):
            if context.appeared:
                await context.database.run(presence.disappear, context.name)


def _ask_to_stop(context: RoleContext) -> None:
    if not context.stop.is_set():
        systemd.notify("STOPPING=1")
        faulthandler.dump_traceback_later(LAST_RESORT_S, exit=True, file=sys.__stderr__ or sys.stderr)
    context.stop.set()


async def _finish(context: RoleContext, work: asyncio.Future[None]) -> bool:
    _ask_to_stop(context)
    await asyncio.wait({work}, timeout=FINISH_S)
    if work.done():
        return True
    context.log.error("The role does not end by itself and is cancelled", after_s=FINISH_S)
    work.cancel()
    await asyncio.wait({work}, timeout=CANCEL_S)
    return False


async def _renew(context: RoleContext) -> None:
    limit = RateLimit()
    while True:
        await asyncio.sleep(presence.RENEW_S)
        if not context.appeared:
            continue
        try:
            await context.database.run(presence.renew, context.name)
        except OperationalError as error:
            if (held_back := limit.passes("renew")) is not None:
                reason = " ".join(str(error.orig).split())
                context.log.warning("The role's row cannot be renewed", reason=reason, held_back=held_back)


async def _beat() -> None:
    # From the event loop, since a loop that stands still is what the watchdog is for.
    period_s = systemd.watchdog_period_s()
    while True:
        if period_s is not None:
            systemd.notify("WATCHDOG=1")
        await asyncio.sleep((period_s or 3600.0) / 3)


def _unhandled(_loop: asyncio.AbstractEventLoop, failure: dict[str, Any]) -> None:
    get_logger().error(
        "An error was left unhandled", what=str(failure.get("message", "")), exc_info=failure.get("exception")
    )
