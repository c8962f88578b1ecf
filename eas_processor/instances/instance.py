"""A worker as the engine sees it: its state, its sockets, and the requests that it holds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from eas_processor.contracts.account import Account
from eas_processor.contracts.backend import State
from eas_processor.contracts.call import Call
from eas_processor.contracts.counters import ServiceMetrics
from eas_processor.contracts.settings import ServiceSettings
from eas_processor.instances.last_words import LastWords, without_frames
from eas_processor.instances.links import widen
from eas_processor.instances.liveness import Liveness
from eas_processor.instances.profiling import WorkerProfiler
from eas_processor.link.frames import (
    BULK_SIZE,
    CANCEL,
    HEAD,
    PREDICT,
    RUN_TIMES,
    STOP,
    TIMES,
    WARMED,
    Frame,
    pack,
)
from eas_processor.process_limit import advised

BYTE_CREDIT = 64 * 1024 * 1024
"""The most bytes of large bodies that one worker holds, unless a single body is larger."""

_NO_TIMES = 0.0, 0.0, 0.0
# A worker whose runs are shorter than a round trip to the engine would wait for its next request
# after each run. So many requests may wait in its socket. They count as waiting in the queue.
# The figures are in docs/decisions/calls-sent-ahead.md.
_AHEAD = 32
# At most this many requests are written together. Collecting more would delay a worker that could
# already run. An idle worker gets the first few at once.
# The figures are in docs/decisions/sending-in-bursts.md.
_BURST = 16
_FIRST_BURST = 4
_ANSWERING_LINKS = {"data", "bulk"}
_LAST_ANSWERS_S = 1.0
"""How long the engine reads the sockets of a worker that has ended."""


SERVING = {State.ISOLATED, State.READY, State.DRAINING}
"""The states in which a worker may hold requests of clients."""


class Instance:
    """
    One worker.

    `on_credit` is called when answers have freed credit. `on_death` is called once, with the state
    before the death and the held requests for which somebody waits.
    """

    def __init__(
        self,
        number: int,
        settings: ServiceSettings,
        on_credit: Callable[[Instance], None],
        on_death: Callable[[Instance, State, list[Call]], None],
        metrics: ServiceMetrics,
    ) -> None:
        self.number = number
        self.settings = settings
        self.state = State.STARTING
        self.pid = 0
        self.held: dict[int, Call] = {}
        """The requests without an answer yet, by number, including cancelled ones."""
        self.info: dict[str, Any] = {}
        self.failure = ""
        """Why the worker could not start, or how it died."""
        self.last_words = LastWords()
        self._credit = settings.credit
        self._held_bytes = 0
        self._links: dict[str, asyncio.Transport] = {}
        self._gathered = 0
        """Requests that are not written yet."""
        self._unsent_data: list[bytes] = []
        self._unsent_bulk: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self._flush_due = False
        self._times: dict[str, tuple[float, float, float]] = {}
        self._metrics = metrics
        self._ahead = 0
        self._may_be_ahead = _AHEAD if settings.worker.batch_size == 1 else 0
        self._refill = on_credit
        # Until `serve`, it runs only warm-up requests.
        self._on_credit: Callable[[Instance], None] = _no_more
        self._on_death = on_death
        self.alone = False
        """Whether it runs one request at a time, each from a worker that died."""
        self._loaded: asyncio.Future[None] = self._loop.create_future()
        self.liveness = Liveness()
        self.profiler = WorkerProfiler(lambda frame: self._write("control", [frame]))
        self._open: set[str] = set()
        self.gone = False
        """Whether its process has ended. Another process may have its pid then."""
        self.how = ""
        """How the process ended, or why it is being killed."""
        self.killed = False
        """Whether it was killed from outside."""

    def __str__(self) -> str:
        """Return its name in the log: service, number and processor build."""
        settings = self.settings
        return f"{settings.name}: instance {self.number} ({settings.worker.build})"

    def attach(self, channel: str, transport: asyncio.Transport) -> None:
        """Take over the engine's end of a socket of the worker."""
        self._links[channel] = transport
        if channel == "bulk":
            widen(transport)
        self._open.add(channel)

    def attach_log(self) -> None:
        """Note that the worker's output is read, so that `link_lost` will report its end."""
        self._open.add("log")

    def introduce(self, pid: int) -> None:
        """Note that the worker has started, with this pid."""
        self.pid = pid

    def hang_up(self) -> None:
        """Close its sockets. This ends a worker even if its pid is not known yet."""
        for link in self._links.values():
            link.close()

    async def loaded(self) -> None:
        """Wait until the worker can take requests or has failed (`failure`)."""
        await self._loaded

    def has_credit(self, size: int) -> bool:
        """Whether a request of `size` bytes may be sent to the worker now."""
        if len(self.held) >= self._credit + (self._ahead if size <= BULK_SIZE else 0):
            return False
        # Byte credit does not apply to small bodies, whose number is limited.
        held = self._held_bytes
        return size <= BULK_SIZE or not held or held + size <= BYTE_CREDIT

    @property
    def busy(self) -> bool:
        """Whether the worker already holds as many requests as it runs at a time."""
        return len(self.held) >= self._credit

    @property
    def ahead(self) -> int:
        """The number of requests that were sent ahead: they wait in the worker's socket."""
        return max(0, len(self.held) - self._credit) if self._ahead else 0

    def charges_of(self, number: int) -> tuple[int, Account | None]:
        """Return the bytes held for the body of a call in the worker, and their account."""
        call = self.held.get(number)
        if call is None:
            return 0, None
        return call.size if call.instance is self else 0, call.account

    def send(self, request: Call) -> None:
        """Add a request to those that the next `flush` sends. `Call.answer` gets the answer."""
        size, number, held = request.size, request.number, self.held
        request.instance = self
        held[number] = request
        unsent = self._unsent_data
        if size > BULK_SIZE:
            self._held_bytes += size
            unsent = self._unsent_bulk
        count = len(held)
        unsent.append(
            HEAD.pack(
                size,
                PREDICT,
                request.codec,
                count if count < 65535 else 65535,  # noqa: FURB136 - min() takes 0.1 us
                number,
                request.deadline,
            )
        )
        unsent += request.body
        self._gathered += 1
        if self._gathered == _BURST or count == self._gathered == _FIRST_BURST:
            self.flush()

    def flush_soon(self) -> None:
        """Flush after the event loop has read everything that has arrived."""
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write the requests that were added, with one system call for each socket."""
        self._flush_due = False
        self._gathered = 0
        if self._unsent_data:
            parts, self._unsent_data = self._unsent_data, []
            self._write("data", parts)
        if self._unsent_bulk:
            parts, self._unsent_bulk = self._unsent_bulk, []
            self._write("bulk", parts)

    def cancel(self, request: Call) -> None:
        """Tell the worker that nobody waits for `request`. Its answer still frees the credit."""
        request.instance = None
        request.body = []
        self.flush()  # the request has to be written before its cancellation
        self._write(_channel(request), [pack(CANCEL, number=request.number)])

    def replies(self, frames: list[Frame], channel: str = "data") -> None:
        """Pass the answers that have arrived on `channel` to their calls."""
        now = monotonic()
        decode, run, encode = self._times.get(channel, _NO_TIMES)
        worked = decode + run + encode
        note_queued = self._metrics.steps["queue"].noted.append
        note_latency = self._metrics.latency.noted.append
        answered = 0
        for kind, _, code, number, _, payload in frames:
            if kind == TIMES:
                decode, run, encode = self._note_times(channel, code, payload)
                worked = decode + run + encode
                continue
            request = self.held.pop(number)
            if request.size > BULK_SIZE:
                self._held_bytes -= request.size
            if request.instance is self:
                request.instance = None
                if request.submitted:
                    answered += 1
                    queued = now - request.submitted - worked
                    note_queued(queued)
                    note_latency(now - request.began)
                    request.times = queued, decode, run, encode
                request.answer(code, payload)
        if answered:
            # Measured over the burst: an answer's wait for earlier ones is part of its sending.
            self._metrics.steps["send"].add(monotonic() - now, answered)
            self._metrics.settle()
        self._on_credit(self)

    def _note_times(
        self, channel: str, in_turn: int, payload: list[bytes]
    ) -> tuple[float, float, float]:
        """Count the times of a run; return the seconds of decoding, running and encoding."""
        rows, requests, decode, run, encode = RUN_TIMES.unpack(b"".join(payload))
        times = self._times[channel] = decode / 1e6, run / 1e6, encode / 1e6
        if channel == "data" and self._credit:
            self._ahead = self._may_be_ahead if in_turn else 0
        if rows and self.state is State.READY:
            self._metrics.batch_rows.add(rows)
        if requests and self.state is State.READY:
            for step, seconds in zip(("decode", "run", "encode"), times, strict=True):
                self._metrics.steps[step].add(seconds, requests)
        return times

    def has_loaded(self, facts: bytes) -> None:
        """Note that the model is loaded; `facts` is the payload of the READY frame."""
        self.info = json.loads(facts)
        if self.state is State.STARTING:
            self.state = State.WARMING
        self._settle()

    def has_failed(self, sentence: str) -> None:
        """Note why the worker could not load its model."""
        self.failure = self.failure or advised(without_frames(sentence))
        self._settle()

    def has_warmed(self) -> None:
        """Note that warm-up is over, and tell the worker."""
        self._write("control", [pack(WARMED)])

    def isolate(self, on_credit: Callable[[Instance], None]) -> None:
        """Take requests only from `on_credit`, until `serve` is called."""
        self.state = State.ISOLATED
        self.alone = True
        self._on_credit = on_credit

    def serve(self) -> None:
        """Take requests from the queue from now on."""
        self.state = State.READY
        self.alone = False
        self._on_credit = self._refill

    def drain(self) -> None:
        """Take no new requests. Those in the worker, and suspects, are still answered."""
        self.state = State.DRAINING
        if not self.alone:
            self._on_credit = _no_more
        self._credit = 0

    def take_no_more(self) -> None:
        """Remove the worker's credit, because one of its sockets has closed."""
        self._credit = self._ahead = 0

    def stop(self) -> None:
        """Ask the worker to end."""
        if self.state is not State.DEAD:
            self.state = State.STOPPING
            self._write("control", [pack(STOP)])

    def blame(self, why: str) -> None:
        """Note why the worker is about to be killed, for `how_it_ended`."""
        self.how = self.how or why

    def exited(self, how: str, *, from_outside: bool = False) -> None:
        """
        Note that the process has ended. It counts as dead when its last answers have been read.

        `from_outside` tells whether another process or a person killed it.
        """
        self.killed = from_outside and not self.how and not self.failure
        self.how = self.how or how
        if self._open & self._awaited():
            # A process that the worker started may keep its sockets open.
            asyncio.get_running_loop().call_later(_LAST_ANSWERS_S, self._died)
        else:
            self._died()
        self.gone = True

    def how_it_ended(self) -> dict[str, Any]:
        """Return which instance died, when, how and why, in types that JSON has."""
        return {
            "instance": self.number,
            "pid": self.pid,
            "build": self.settings.worker.build,
            "model": str(self.settings.worker.model_entry),
            "ended": datetime.now(UTC).isoformat(timespec="seconds"),
            "exit": self.how,
            "reason": self.failure,
        }

    def link_lost(self, channel: str) -> None:
        """Note that a socket has been read to its end."""
        self._open.discard(channel)
        if self.gone and not self._open & self._awaited():
            self._died()

    def _awaited(self) -> set[str]:
        """Return the sockets that are read to the end before a worker counts as dead."""
        # The output of a worker that could not load its model says why.
        return _ANSWERING_LINKS if self._loaded.done() else {*_ANSWERING_LINKS, "log"}

    def _died(self) -> None:
        if self.state is State.DEAD:
            return
        was, self.state = self.state, State.DEAD
        if self._loaded.done():
            self.failure = self.failure or f"the worker died ({self.how})"
        else:
            words = str(self.last_words)
            said = f": {words}" if words else ""
            self.failure = advised(f"the worker died while it loaded the model ({self.how}){said}")
        self.hang_up()
        caught = [request for request in self.held.values() if request.instance is self]
        self.held = {}
        for request in caught:
            request.instance = None
        self._settle()
        self.profiler.died()
        self._on_death(self, was, caught)

    def _write(self, channel: str, parts: Sequence[bytes]) -> None:
        # A closed link means that the worker is dying. `_died` passes its requests on.
        link = self._links.get(channel)
        if link is not None and not link.is_closing():
            link.writelines(parts)

    def _settle(self) -> None:
        if (self.state is State.WARMING or self.failure) and not self._loaded.done():
            self._loaded.set_result(None)


def _no_more(_: Instance) -> None:
    """Send the worker no further request."""


def _channel(request: Call) -> str:
    return "bulk" if request.size > BULK_SIZE else "data"
