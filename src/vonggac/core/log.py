"""The log: one line an event, for people on a terminal and as JSON elsewhere; never a credential, never a flood."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

from vonggac.core.ratelimit import RateLimit
from vonggac.core.settings import LogSettings

# structlog imports rich and pygments where they are installed, for tracebacks in colour: 83 modules and 4.5 MB that no
# role needs. Only here is it imported, so that it does not find them (an import of None fails, as if it were away).
_RICH_IS_LOADED = "rich" in sys.modules
if not _RICH_IS_LOADED:
    sys.modules["rich"] = None  # type: ignore[assignment]
import structlog  # noqa: E402

if not _RICH_IS_LOADED:
    del sys.modules["rich"]

__all__ = ["Log", "RateLimit", "configure", "get_logger", "redact"]

Log = structlog.typing.FilteringBoundLogger

# Up to the last @ of the word: people put @ and / into passwords. Rather too much is cut than too little.
_CREDENTIALS = re.compile(r"(?<=://)[^\s\"'<>]*@")


def redact(text: str) -> str:
    """Return the text with user and password cut out of every address in it."""
    return _CREDENTIALS.sub("…@", text)


def configure(settings: LogSettings, role: str = "") -> None:
    """Set the log up for this process; `role` is on every line."""
    as_json = settings.format == "json" or (settings.format == "auto" and not sys.stderr.isatty())
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if as_json:
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    else:
        processors += [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    processors[-1] = _redacted(processors[-1])
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(settings.level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    if role:
        structlog.contextvars.bind_contextvars(role=role)
    logging.basicConfig(level=logging.WARNING, handlers=[_Foreign()], force=True)
    logging.captureWarnings(True)


def get_logger() -> Log:
    """Return the log."""
    logger: Log = structlog.get_logger()
    return logger


class _Foreign(logging.Handler):
    """Brings the lines of libraries, which log by the standard library, into the same form."""

    def emit(self, record: logging.LogRecord) -> None:
        get_logger().log(
            record.levelno, "A library says", library=record.name, what=record.getMessage(), exc_info=record.exc_info
        )


def _redacted(render: Any) -> Any:
    # The finished line, since addresses hide in tracebacks and nested values too.
    def render_redacted(logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        return redact(render(logger, method, event))

    return render_redacted
