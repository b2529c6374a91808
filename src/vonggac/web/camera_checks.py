"""Checks of cameras that run in the background while a page looks on: few at once, short, kept for minutes.

Whoever may manage cameras lets the centre open a connection to an address he names; what that could be abused for, and
what bounds it, is written down in docs/design/camera-pages.md.
"""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from vonggac.cameras.address import StreamAddress, join_address
from vonggac.core.errors import VonggacError
from vonggac.core.i18n import N_
from vonggac.core.log import get_logger
from vonggac.core.settings import RecorderSettings
from vonggac.video import stills
from vonggac.video.check import CheckReport, Step, check_camera
from vonggac.video.rtsp import CameraAddress, LowerTransport
from vonggac.video.stills import StillError

WATCHED_S = 8.0
"""How long the pictures are watched: two groups of most cameras."""
LONGEST_S = 60.0
"""A check that takes longer is broken off: some cameras answer each request just before its time is over."""
RUNNING_AT_ONCE = 4
KEPT_S = 900.0
"""How long the findings can be asked for: time to write a name and choose a unit."""
MOST_KEPT = 20


class TooManyChecks(VonggacError):
    """As many checks run as the centre does at once."""


@dataclass(slots=True, eq=False)
class Check:
    """One check: what was asked for, and what is known of it so far."""

    account_id: uuid.UUID
    address: StreamAddress = field(repr=False)
    transport: LowerTransport
    tls_fingerprint: str
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    steps: list[Step] = field(default_factory=list)
    report: CheckReport | None = None
    """None while it runs."""
    jpeg: bytes | None = field(default=None, repr=False)
    """Its first key frame."""
    picture_fault: str = ""
    began_s: float = field(default_factory=time.monotonic)
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def running(self) -> bool:
        """Whether it is still under way."""
        return self.task is not None and not self.task.done()


class Checks:
    """The checks of this process: one for each account, the newest."""

    def __init__(self, settings: RecorderSettings, seconds: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._seconds = seconds
        self._kept: OrderedDict[uuid.UUID, Check] = OrderedDict()

    def start(self, check: Check) -> Check:
        """Begin a check; an earlier one of the account is broken off. TooManyChecks when too many others run."""
        self.stop(check.account_id)
        self._forget()
        if sum(one.running for one in self._kept.values()) >= RUNNING_AT_ONCE:
            raise TooManyChecks(N_("Several cameras are being checked already. Try again in a minute."))
        check.began_s = self._seconds()
        check.task = asyncio.create_task(self._run(check), name="camera check")
        check.task.add_done_callback(lambda task: _note_end(check, task))
        self._kept[check.account_id] = check
        return check

    def find(self, account_id: uuid.UUID, check_id: str) -> Check | None:
        """Return an account's own check; None when it is over for long, or another's."""
        self._forget()
        found = self._kept.get(account_id)
        return found if found is not None and secrets.compare_digest(found.id, check_id) else None

    def stop(self, account_id: uuid.UUID) -> None:
        """Break an account's check off and forget it."""
        if (found := self._kept.pop(account_id, None)) is not None and found.task is not None:
            found.task.cancel()

    def close(self) -> None:
        """Break every check off."""
        for account_id in list(self._kept):
            self.stop(account_id)

    def _forget(self) -> None:
        oldest = self._seconds() - KEPT_S
        for account_id, check in list(self._kept.items()):
            if not check.running and (check.began_s < oldest or len(self._kept) > MOST_KEPT):
                del self._kept[account_id]

    async def _run(self, check: Check) -> None:
        address = check.address
        whole = CameraAddress.parse(join_address(address.whole or address.url, address.credentials))
        try:
            async with asyncio.timeout(LONGEST_S):
                report = await check_camera(
                    whole,
                    seconds=WATCHED_S,
                    transport=check.transport,
                    tls_fingerprint=check.tls_fingerprint,
                    tell=check.steps.append,
                    settings=self._settings,
                )
        except TimeoutError:
            report = CheckReport(whole.redacted, steps=check.steps, transport=check.transport)
            report.fail("timed_out", f"The check was not over after {LONGEST_S:g} s.")
        if (frame := report.key_frame) is not None:
            try:
                check.jpeg = await asyncio.to_thread(
                    stills.jpeg_of, frame.parameters, bytes(frame.data), stills.LARGE_WIDTH
                )
            except StillError as error:
                check.picture_fault = str(error)
            report.key_frame = None  # megabytes, and not needed any more
        check.report = report


def _note_end(check: Check, task: asyncio.Task[None]) -> None:
    """Let no page wait for a check that ended with an error of ours: it says so, and the log says more."""
    if task.cancelled() or (error := task.exception()) is None:
        return
    get_logger().error("A camera check broke off", exc_info=error)
    check.report = CheckReport(check.address.url, steps=check.steps, transport=check.transport)
    check.report.fail(
        "protocol", f"The check itself has failed ({type(error).__name__}); the log of the centre says more."
    )
