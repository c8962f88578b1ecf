"""Streams that stay open between messages, and a timer that checks them."""

from __future__ import annotations

import asyncio
from time import monotonic

from eas_processor.contracts.refusals import DeadlineExceeded, Refusal
from eas_processor.frontends.grpc.http2.stream import Stream
from eas_processor.frontends.grpc.statuses import STATUSES, refusal_text
from eas_processor.link.codes import UNAVAILABLE

_LOOK_S = 1.0


class OpenStream(Stream):
    """A streaming call that is checked once a second."""

    __slots__ = ()
    streaming = True

    def look(self) -> None:
        """Act on changes outside of the stream."""

    def refuse(self, refusal: Refusal) -> None:
        self.fail(STATUSES[refusal.code], refusal_text(refusal))


class OpenStreams:
    """
    Checks every open stream from one timer, which runs while there are any.

    A stream is ended when its deadline has passed, or when its server shuts down, because it would
    delay the shutdown for the whole grace period.
    """

    def __init__(self) -> None:
        self._streams: set[OpenStream] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, stream: OpenStream) -> None:
        """Check a stream from now on, until it is answered or its client disconnects."""
        self._streams.add(stream)
        if self._timer is None:
            self._set_timer()

    def _set_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_LOOK_S, self._look)

    def _look(self) -> None:
        self._timer = None
        now = monotonic()
        for stream in list(self._streams):
            if not stream.answered:
                _look_at(stream, now)
            if stream.answered:
                self._streams.discard(stream)
        if self._streams:
            self._set_timer()


def _look_at(stream: OpenStream, now: float) -> None:
    stream.look()
    if stream.connection.server.draining:
        stream.fail(STATUSES[UNAVAILABLE], "the server is shutting down")
    elif stream.deadline and stream.deadline < now:
        stream.refuse(DeadlineExceeded("the deadline of the stream has passed"))
