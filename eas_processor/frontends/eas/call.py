"""Calls through the routes of PAI-EAS: `POST` predicts, `GET` returns the signature."""

from __future__ import annotations

from time import monotonic

from eas_processor.contracts.counters import server_timing
from eas_processor.contracts.refusals import Refusal
from eas_processor.frontends.eas.content_types import CODECS, TYPES
from eas_processor.frontends.eas.statuses import STATUSES, status_of
from eas_processor.frontends.http.connection import HttpConnection
from eas_processor.frontends.http.head import Head
from eas_processor.frontends.http.heads import BYTES, TEXT
from eas_processor.frontends.service_call import ServiceCall, ServiceRoute
from eas_processor.link.codes import CANCELLED, OK, PROCESSOR, UNIMPLEMENTED, unpack_status
from eas_processor.link.frames import ARRAY_PROTO, BULK_SIZE, EAS_JSON
from eas_processor.serving.service import Service

# The default of `curl -d`.
_FORM_TYPE = b"application/x-www-form-urlencoded"


class PredictRoute(ServiceRoute):
    """
    Calls of `service` with one head, whose token was valid.

    `codec` is the codec of the body; with `guesses`, the first byte of the body may change it.
    `timed` tells whether answers have a `Server-Timing` header, and `usual` whether successful
    answers need no special treatment.
    """

    __slots__ = ("codec", "guesses", "posts", "timed", "usual")

    def __init__(self, head: Head, service: Service, *, timed: bool) -> None:
        super().__init__(head, service)
        self.posts = head.method == b"POST"
        self.guesses = head.content_type == _FORM_TYPE
        self.codec = CODECS.get(head.content_type, ARRAY_PROTO)
        self.timed = timed
        self.usual = self.posts and not timed

    def open(self, connection: HttpConnection, now: float) -> EasCall:
        call = EasCall(self, connection)
        call.codec = self.codec
        call.refusal = self.service.admit(call, self.head.length, now)
        return call


class EasCall(ServiceCall):
    """One call, answered with the statuses of PAI-EAS."""

    __slots__ = ()
    route: PredictRoute
    status_of = staticmethod(status_of)
    left_status = STATUSES[CANCELLED]

    def received(self, now: float) -> None:
        route = self.route
        if self.size and route.posts:
            if route.guesses and self.body[0].lstrip()[:1] == b"{":
                self.codec = EAS_JSON
            route.service.submit(self, now)
            return
        code, text = route.service.describe()
        if code == UNIMPLEMENTED:
            route.service.submit(self, now)  # such a processor answers empty requests itself
        else:
            self.codec = EAS_JSON
            self.answer(code, [text])

    def answer(self, code: int, payload: list[bytes]) -> None:
        route = self.route
        if code == OK and self.codec == ARRAY_PROTO:
            if route.usual and len(payload) == 1 and len(payload[0]) <= BULK_SIZE:
                # Most answers come here: the work of `settle` and `respond` in a third of the time.
                connection, service = self.connection, route.service
                self.body = []
                if (charged := self.charged) > BULK_SIZE:
                    self.give_back()
                else:
                    connection.budget.free += charged
                    self.charged = 0
                service.end(self)
                service.metrics.codes[200] += 1
                connection.answers.reply_usual(self, payload[0])
            else:
                self.settle(200, BYTES, payload)
        elif code == OK:
            self.settle(200, TYPES[self.codec], payload)
        elif code == PROCESSOR:
            status, body = unpack_status(b"".join(payload))
            self.settle(status, TEXT, [body], own=True)
        else:
            self.settle(STATUSES[code], TEXT, payload)

    def refuse(self, refusal: Refusal) -> None:
        self.settle(status_of(refusal), TEXT, [str(refusal).encode()])

    @property
    def takes_json(self) -> bool:
        """Whether refusals are JSON. This includes requests whose body turned out to be JSON."""
        turned_out = self.route.guesses and self.size > 0 and self.codec == EAS_JSON
        return turned_out or self.head.takes_json

    def answer_lines(self) -> bytes:
        if not self.route.timed or self.times is None:
            return b""
        return server_timing(self.began, self.submitted, self.times, monotonic())
