"""
OpenTelemetry spans, made after the answer from the times that were measured anyway.

If traces are off, the packages are not imported and a request costs nothing. The extra `otel`
installs the packages.
"""

from __future__ import annotations

import os
import time
from time import monotonic
from urllib.parse import urlsplit

from eas_processor.contracts.counters import STEPS
from eas_processor.errors import StartError
from eas_processor.frontends.http.request import HttpRequest

_FLUSH_S = 2
"""How long a shutdown waits for spans that are not exported yet."""
_SERVER_FAULT = 500


class Traces:
    """
    Sends a span for each answer to the collector at `url` (OTLP over HTTP), in a thread of its own.

    A request with a `traceparent` header belongs to its client's trace. OTEL_TRACES_SAMPLER decides
    which other requests are traced; the default is all. Raises StartError without the packages.
    """

    def __init__(self, url: str) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace import SpanKind, Status, StatusCode
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError as error:
            raise StartError(
                f"--traces needs the package {error.name}, which the extra `otel` installs: run "
                "`pip install 'eas-processor[otel]'`, or `pip install '.[otel]'` in a clone"
            ) from None
        name = os.environ.get("OTEL_SERVICE_NAME", "eas-processor")
        resource = Resource.create({"service.name": name})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint_of(url), timeout=_FLUSH_S)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("eas_processor")
        self._extract = TraceContextTextMapPropagator().extract
        self._kind = SpanKind.SERVER
        self._fault = Status(StatusCode.ERROR)

    def note(self, request: HttpRequest, client: str, status: int, size: int) -> None:
        """Make the span of an answer of `size` bytes."""
        end, took = time.time_ns(), monotonic() - request.began
        head = request.head
        method = head.method.decode()
        path = head.path.decode("ascii", errors="replace")
        attributes: dict[str, str | int | float] = {
            "http.request.method": method,
            "url.path": path,
            "http.response.status_code": status,
            "http.request.body.size": request.size,
            "http.response.body.size": size,
            "client.address": client.rpartition(":")[0],
            "eas.request_id": request.id.decode(),
        }
        if request.times is not None:
            known = (request.submitted - request.began, *request.times)
            for step, seconds in zip(STEPS, known, strict=False):
                attributes[f"eas.{step}_ms"] = round(seconds * 1000, 3)
        parent = self._extract({"traceparent": head.traceparent.decode("ascii", errors="replace")})
        span = self._tracer.start_span(
            f"{method} {path}",
            parent,
            self._kind,
            attributes,
            start_time=end - int(took * 1e9),
        )
        if status >= _SERVER_FAULT:
            span.set_status(self._fault)
        span.end(end)

    def close(self) -> None:
        """Export the remaining spans, and wait at most `_FLUSH_S`."""
        self._provider.force_flush(_FLUSH_S * 1000)
        self._provider.shutdown()


def endpoint_of(url: str) -> str:
    """Return the URL for spans: a `url` without a path gets `/v1/traces`."""
    return url if urlsplit(url).path.strip("/") else url.rstrip("/") + "/v1/traces"
