"""Debian's Chromium, driven by Playwright, that talks to nothing but the pages under test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

EXECUTABLE = "/usr/bin/chromium"

QUIET = [
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-client-side-phishing-detection",
    "--disable-dev-shm-usage",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-pings",
    # Whatever still looks a name up finds nothing: the pages under test are on loopback.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser without a window; it ends with the block.

    Playwright keeps an event loop running on this thread meanwhile, so `asyncio.run` cannot be called inside the block.
    """
    from playwright.sync_api import sync_playwright

    # As root Chromium refuses to start with its sandbox.
    arguments = [*QUIET, "--no-sandbox"] if os.geteuid() == 0 else QUIET
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=arguments, timeout=30_000)
        try:
            yield browser
        finally:
            browser.close()
