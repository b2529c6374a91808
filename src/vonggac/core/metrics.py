"""Metrics for Prometheus: one registry a process, served over HTTP by a thread of its own.

Names begin with `vonggac_`, carry their unit, and counters end in `_total` (`vonggac_recorder_frames_total`). Which
process a figure comes from is said by `vonggac_role_info` and by Prometheus' own `instance`, not by a label on each.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Info,
    ProcessCollector,
    generate_latest,
    start_http_server,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from vonggac.core.log import get_logger

CONTENT_TYPE = CONTENT_TYPE_LATEST
NOT_SERVED = -1


def make_registry(role: str) -> CollectorRegistry:
    """Return a registry that already tells which role this is, and what the process uses."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    info = Info("vonggac_role", "Which role this process is, and of which version.", registry=registry)
    info.info({"role": role, "version": program_version()})
    return registry


def render(registry: CollectorRegistry) -> bytes:
    """Return what `/metrics` answers, for a role that has a web server already (Content-Type: CONTENT_TYPE)."""
    return generate_latest(registry)


def serve(host: str, port: int, registry: CollectorRegistry) -> int:
    """Serve `/metrics` from a thread; return its port, or NOT_SERVED when that port cannot be had.

    `port` 0 takes a free one, below 0 none. A taken port is logged and no reason to stop: recording goes first.
    """
    if port < 0:
        return NOT_SERVED
    try:
        server, _thread = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        get_logger().warning(
            "Metrics are not served: the port cannot be had", host=host, port=port, reason=error.strerror
        )
        return NOT_SERVED
    return int(server.server_port)


def program_version() -> str:
    """Return the version of the installed program."""
    try:
        return version("vonggac")
    except PackageNotFoundError:
        return "unknown"
