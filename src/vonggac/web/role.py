"""The role `web`: pages, interface for programs, event stream."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn

from vonggac.core.datafolder import DataFolder
from vonggac.core.errors import VonggacError
from vonggac.core.role import RoleContext, run_role
from vonggac.web.application import make_application

KEEP_ALIVE_S = 15
MOST_CONNECTIONS = 1000
WEBSOCKET_MESSAGE_LIMIT = 4096
"""Bytes that a browser may send at once: pages only say which pictures they want."""
UNSENT_BYTES = 128 * 1024
TAKES_NOTHING_MS = 30_000
GRACE_S = 5
"""How long answers under way may take when the role ends."""


def run(folder: DataFolder, name: str) -> int:
    """Be the role until it is told to stop; returns the exit status."""
    return run_role(folder, name, serve)


async def serve(context: RoleContext) -> None:
    """Serve the pages of a centre until `context.stop` is set."""
    settings = context.folder.settings
    folder = context.folder
    application = make_application(
        settings, context.database, context.registry, open_box=folder.secret_box, clips=folder.clips_path
    )
    with contextlib.closing(listen(settings.web.host, settings.web.port)) as listening:
        host, port = settings.web.host, int(listening.getsockname()[1])
        address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        server = _Server(
            uvicorn.Config(
                application,
                http="httptools",
                ws="websockets-sansio",
                ws_max_size=WEBSOCKET_MESSAGE_LIMIT,
                # Coded video does not get smaller, and a compressor for each viewer would cost 300 kB.
                ws_per_message_deflate=False,
                loop="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                # A proxy on this machine may say for whom it asks; nobody else is believed.
                proxy_headers=True,
                forwarded_allow_ips="127.0.0.1,::1",
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACE_S,
                limit_concurrency=MOST_CONNECTIONS,
            )
        )
        serving = asyncio.create_task(server.serve([listening]), name="http")
        stopping = asyncio.create_task(context.stop.wait(), name="stop")
        ready = asyncio.create_task(server.ready.wait(), name="ready")
        try:
            await asyncio.wait({serving, ready}, return_when=asyncio.FIRST_COMPLETED)
            if ready.done():
                context.log.info("The pages are served", address=address)
                await context.appear(address, f"{address}/metrics")
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
            stopping.cancel()
            application.state.shell.stream.close()
            application.state.checks.close()
            server.should_exit = True
            try:
                await serving
            finally:
                application.state.live.close()


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; VonggacError in plain words when the port cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Both are handed on to every connection (tcp(7)): what a viewer has not taken waits here, where it can be thrown
    # away for the present, and not by the megabyte in the kernel; and one who takes nothing at all is let go.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TAKES_NOTHING_MS)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise VonggacError(
            f"The pages cannot be served on {host}:{port}: {error.strerror}. "
            "Stop the program that uses this port, or choose another with the setting web.port (VONGGAC_WEB_PORT)."
        ) from error
    return listening


class _Server(uvicorn.Server):
    """A server whose signals are the role's, and that says when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()
