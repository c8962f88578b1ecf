"""One HTTP request: what its head said, and how it is answered."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from eas_processor.contracts.call import Call
from eas_processor.frontends.eas.statuses import STATUSES, status_of
from eas_processor.frontends.http.heads import BYTES, JSON, TEXT
from eas_processor.link.codes import OK, PROCESSOR, unpack_status
from eas_processor.link.frames import BULK_SIZE, EAS_JSON

if TYPE_CHECKING:
    from eas_processor.contracts.refusals import Refusal
    from eas_processor.frontends.http.answers import Answering
    from eas_processor.frontends.http.inflate import Inflater
    from eas_processor.serving.service import Service

JSON_TYPE = b"application/json"
# What `curl -d` sends when it is told nothing else.
FORM_TYPE = b"application/x-www-form-urlencoded"
_REQUEST_ID = re.compile(rb"[!-~]{1,128}")
_RUN = secrets.token_hex(4).encode()


class HttpRequest(Call):
    """
    A request with the connection that its answer goes to.

    `service` is None unless a service is asked; `refusal` is why the request is not let in;
    `reply` is status, content type and payload, once they are known; `timed` is whether the answer
    is to say where the time went; `plain` whether nothing about the answer's head is special if it
    is a success; `charged` are its bytes in the engine's budget.
    """

    __slots__ = (
        "charged",
        "connection",
        "content_type",
        "id",
        "inflater",
        "keep_alive",
        "method",
        "old",
        "plain",
        "refusal",
        "reply",
        "service",
        "takes_json",
        "target",
        "timed",
    )

    def __init__(
        self,
        connection: Answering,
        method: bytes,
        target: bytes,
        headers: Mapping[bytes, bytes],
        *,
        keep_alive: bool,
        old: bool,
    ) -> None:
        super().__init__()
        self.connection = connection
        self.charged = 0
        self.began = connection.since
        self.method = method
        self.target = target
        self.keep_alive = keep_alive
        self.old = old
        self.service: Service | None = None
        self.inflater: Inflater | None = None
        self.refusal: Refusal | None = None
        self.reply: tuple[int, bytes, list[bytes]] | None = None
        given = headers.get(b"x-request-id")
        self.id: bytes = b"%b-%x" % (_RUN, self.number)
        if given is not None and _REQUEST_ID.fullmatch(given):
            self.id = given
        self.content_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        self.takes_json = self.content_type == JSON_TYPE or JSON_TYPE in headers.get(b"accept", b"")
        self.timed = headers.get(b"x-eas-timing") == b"1"
        self.plain = False

    def again(self, now: float) -> HttpRequest:
        """Return a request like this one that began `now`: with the same head, not let in yet."""
        other = HttpRequest.__new__(HttpRequest)
        Call.__init__(other)
        other.connection = self.connection
        other.charged = 0
        other.began = now
        other.method = self.method
        other.target = self.target
        other.keep_alive = True
        other.old = False
        other.service = other.inflater = other.refusal = other.reply = None
        other.id = b"%b-%x" % (_RUN, other.number)
        other.content_type = self.content_type
        other.takes_json = self.takes_json
        other.timed = self.timed
        other.plain = not self.timed
        return other

    def choose_kind(self) -> None:
        """Find out, from its head and the begin of its body, whether the request is JSON."""
        if self.content_type == FORM_TYPE:
            is_json = self.body[0].lstrip()[:1] == b"{"
        else:
            is_json = self.content_type == JSON_TYPE
        if is_json:
            self.codec = EAS_JSON
            self.takes_json = True

    def answer(self, code: int, payload: list[bytes]) -> None:
        if code == OK:
            self.respond(200, payload, JSON if self.codec == EAS_JSON else BYTES)
        elif code == PROCESSOR:
            status, body = unpack_status(b"".join(payload))
            self.respond(status, [body], TEXT)
        else:
            self.respond(STATUSES[code], payload, TEXT)

    def refuse(self, refusal: Refusal) -> None:
        self.respond(status_of(refusal), [str(refusal).encode()], TEXT)

    def respond(self, status: int, payload: list[bytes], content_type: bytes) -> None:
        """Give back what the request holds, and have its answer written when its turn comes."""
        self.body = []
        if self.charged:
            self.connection.give_back(self)
        if len(payload) > 1 or (payload and len(payload[0]) > BULK_SIZE):
            refusal = self.connection.no_room(sum(map(len, payload)))
            if refusal is not None:
                status, payload = status_of(refusal), [str(refusal).encode()]
        if self.service is not None:
            self.service.end(self)
            self.service.metrics.codes[status] += 1
        elif self.refusal is not None:
            self.connection.count_refusal(status)
        if status == 408:
            self.keep_alive = False
        if status != 200:
            if self.takes_json:
                content_type, payload = JSON, [self._json_error(status, b"".join(payload))]
            else:
                content_type = TEXT
        self.connection.reply(self, status, content_type, payload)

    def _json_error(self, status: int, sentence: bytes) -> bytes:
        error = {
            "error": sentence.decode(errors="replace"),
            "code": status,
            "request_id": self.id.decode(),
        }
        return json.dumps(error).encode()
