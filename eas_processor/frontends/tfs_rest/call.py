"""Calls through the REST routes of TensorFlow Serving, and refusals in its form."""

from __future__ import annotations

import json
from time import monotonic

from eas_processor.contracts.refusals import Refusal
from eas_processor.frontends.http.connection import HttpConnection
from eas_processor.frontends.http.head import JSON_TYPE, Head
from eas_processor.frontends.http.refusals import HttpRefusal
from eas_processor.frontends.http.request import HttpRequest
from eas_processor.frontends.http.routes import Refused, SlowRequest, SlowRoute
from eas_processor.frontends.service_call import ServiceCall, ServiceRoute
from eas_processor.frontends.tfs_counters import REST, ModelCounters
from eas_processor.frontends.tfs_statuses import STATUSES, name_of, status_of, text_of
from eas_processor.link.codes import CANCELLED, OK, PROCESSOR, unpack_status
from eas_processor.link.frames import TFS_CLASSIFY_JSON, TFS_PREDICT_JSON, TFS_REGRESS_JSON
from eas_processor.serving.service import Service

CODECS = {
    "predict": TFS_PREDICT_JSON,
    "classify": TFS_CLASSIFY_JSON,
    "regress": TFS_REGRESS_JSON,
}
"""The codec of the bodies of each verb."""

CORS_LINES = (
    b"Access-Control-Allow-Origin: *\r\n"
    b"Access-Control-Allow-Methods: POST, GET\r\n"
    b"Access-Control-Allow-Headers: Content-Type\r\n"
)


class TfsRoute(ServiceRoute):
    """
    Calls of one version with one head, counted in `counters`.

    `codec` is the codec of the verb. `lines` are header lines of every answer.
    """

    __slots__ = ("api", "codec", "counters", "lines")

    def __init__(
        self, head: Head, service: Service, api: str, counters: ModelCounters, lines: bytes
    ) -> None:
        super().__init__(head, service)
        self.api = api
        self.codec = CODECS[api]
        self.counters = counters
        self.lines = lines

    def open(self, connection: HttpConnection, now: float) -> TfsCall:
        call = TfsCall(self, connection)
        call.codec = self.codec
        call.refusal = self.service.admit(call, self.head.length, now)
        return call


class TfsAnswers(HttpRequest):
    """A request whose refusals have the form of TensorFlow Serving: JSON with `error`."""

    __slots__ = ()
    status_of = staticmethod(status_of)

    def respond_refusal(self, status: int, sentence: bytes) -> None:
        text = json.dumps({"error": sentence.decode(errors="replace")}, indent=4)
        self.respond(status, JSON_TYPE, [text.encode()])


class TfsCall(TfsAnswers, ServiceCall):
    """One call, answered with the statuses and in the form of TensorFlow Serving."""

    __slots__ = ()
    route: TfsRoute
    left_status = STATUSES[CANCELLED]

    def received(self, now: float) -> None:
        self.route.service.submit(self, now)

    def answer(self, code: int, payload: list[bytes]) -> None:
        route = self.route
        if code == OK:
            route.counters.succeeded(route.api, REST, monotonic() - self.began)
            self.settle(200, JSON_TYPE, payload)
            return
        route.counters.requests[name_of(code)] += 1
        if code == PROCESSOR:
            status, body = unpack_status(b"".join(payload))
            self.settle(status, JSON_TYPE, [body], own=True)
        else:
            self.settle(STATUSES[code], JSON_TYPE, payload)

    def refuse(self, refusal: Refusal) -> None:
        self.route.counters.requests[name_of(refusal.code)] += 1
        self.settle(status_of(refusal), JSON_TYPE, [text_of(refusal)])

    def answer_lines(self) -> bytes:
        return self.route.lines


class _SlowRequest(TfsAnswers, SlowRequest):
    __slots__ = ()
    route: TfsSlowRoute

    def answer_lines(self) -> bytes:
        return super().answer_lines() + self.route.lines


class TfsSlowRoute(SlowRoute):
    """Calls a handler, and answers in the form of TensorFlow Serving."""

    __slots__ = ("lines",)
    request_type = _SlowRequest
    lines: bytes


class _RefusedRequest(TfsAnswers):
    __slots__ = ()
    route: TfsRefused

    def answer_lines(self) -> bytes:
        return super().answer_lines() + self.route.lines


class TfsRefused(Refused):
    """Refuses every request with this head, in the form of TensorFlow Serving."""

    __slots__ = ("lines",)
    request_type = _RefusedRequest

    def __init__(self, head: Head, refusal: HttpRefusal, lines: bytes) -> None:
        super().__init__(head, refusal)
        self.lines = lines
