"""Spans of answers, as a collector receives them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from fixtures import need

from eas_processor.errors import StartError
from eas_processor.frontends.http.traces import Traces, endpoint_of

Bytes = Callable[..., bytes]
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector:
    """Takes spans over HTTP, as an OpenTelemetry collector does."""

    def __init__(self) -> None:
        self.resources: list[Any] = []
        self.spans: list[Any] = []
        self.paths: set[str] = set()
        messages = need.module("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.paths.add(self.path)
                for each in messages.ExportTraceServiceRequest.FromString(body).resource_spans:
                    collector.resources.append(each.resource)
                    for scope in each.scope_spans:
                        collector.spans += scope.spans
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    need.module("opentelemetry.sdk")
    collector = Collector()
    yield collector
    collector.close()


def facts(span: Any) -> dict[str, Any]:
    return {
        each.key: each.value.string_value or each.value.int_value or each.value.double_value
        for each in span.attributes
    }


def test_an_answer_is_a_span_of_its_clients_trace(
    make_desk: Any, post: Bytes, collector: Collector
) -> None:
    desk = make_desk(traces=collector.url)
    desk.client.send(post(b"hello", f"traceparent: 00-{TRACE}-{SPAN}-01", token="t"))
    desk.answer_all()
    desk.server.close()
    (span,) = collector.spans
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, SPAN)
    assert span.name == "POST /api/predict/echo"
    assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 60e9
    said = facts(span)
    assert (said["http.response.status_code"], said["http.request.body.size"]) == (200, 5)
    assert collector.paths == {"/v1/traces"}
    assert "eas-processor" in str(collector.resources[0])


def test_one_without_a_parent_begins_a_trace_and_a_sampled_out_one_is_left_out(
    make_desk: Any, post: Bytes, http: Bytes, collector: Collector
) -> None:
    desk = make_desk(traces=collector.url)
    desk.client.send(post(b"1", f"traceparent: 00-{TRACE}-{SPAN}-00", token="t"))
    desk.answer_all()
    desk.client.send(http("GET", "/api/predict/none"))
    desk.server.close()
    (span,) = collector.spans
    assert span.trace_id.hex() != TRACE
    assert not span.parent_span_id
    assert facts(span)["http.response.status_code"] == 404


def test_without_it_nothing_is_imported(make_desk: Any) -> None:
    assert make_desk().server.observers == []


def test_without_its_packages_the_start_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(StartError, match=r"pip install 'eas-processor\[otel\]'"):
        Traces("http://localhost:4318")


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://localhost:4318", "http://localhost:4318/v1/traces"),
        ("http://localhost:4318/", "http://localhost:4318/v1/traces"),
        ("https://example.com/otlp/v1/traces", "https://example.com/otlp/v1/traces"),
    ],
)
def test_a_collector_may_be_named_with_or_without_its_path(url: str, endpoint: str) -> None:
    assert endpoint_of(url) == endpoint
