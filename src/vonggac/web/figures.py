"""What the web process counts: answers by status and how long they took, and the pages that listen."""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Histogram, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from vonggac.shell.headers import Application, Message, Receive, Scope, Send
from vonggac.shell.stream import EventStream

_BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class AnswersCounted:
    """ASGI layer that measures from the request to the head of its answer (an event stream stays open for hours)."""

    def __init__(self, application: Application, registry: CollectorRegistry) -> None:
        self._application = application
        self._seconds = Histogram(
            "vonggac_web_answer_seconds",
            "Time from a request to the head of its answer.",
            ["status"],
            buckets=_BUCKETS,
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        began = time.perf_counter()

        async def send_measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                # Classes of status: a label for each number would grow with what strangers ask for.
                status = f"{message['status'] // 100}xx"
                self._seconds.labels(status).observe(time.perf_counter() - began)
            await send(message)

        await self._application(scope, receive, send_measured)


class StreamCollector(Collector):
    """What the event stream says of itself."""

    def __init__(self, stream: EventStream) -> None:
        self._stream = stream

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("vonggac_web_pages_open", "Pages that listen to the event stream.", self._stream.pages)
        yield CounterMetricFamily(
            "vonggac_web_pages_overrun",
            "Times a page could not keep up and was told to reload.",
            self._stream.overrun_total,
        )
