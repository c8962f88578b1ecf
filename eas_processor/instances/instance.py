"""One instance as the engine sees it: its state, its sockets, and the requests it holds."""

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
"""Bytes of large bodies that one worker holds at a time, unless a single body is larger."""

_NO_TIMES = 0.0, 0.0, 0.0
# A worker whose runs are shorter than a trip to the engine and back would wait for its next request
# after each of them: these lie ready in its socket, and count as waiting in the queue.
# The figures are in docs/decisions/calls-sent-ahead.md.
_AHEAD = 32
# At most this many requests are written together: more would keep a worker waiting that could have
# begun. An idle worker gets the first few at once.
# The figures are in docs/decisions/sending-in-bursts.md.
_BURST = 16
_FIRST_BURST = 4
_ANSWERING_LINKS = {"data", "bulk"}
_LAST_ANSWERS_S = 1.0
"""How long after a worker's end its sockets may take to say that they have been read to the end."""


SERVING = {State.ISOLATED, State.READY, State.DRAINING}
"""The states in which clients' requests are in a worker."""


class Instance:
    """
    One worker.

    `on_credit` is called when answers have freed credit; `on_death` once, with the state it was in
    and the requests in it that somebody waits for.
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
        """What the worker has not answered yet, by number; also what nobody waits for any more."""
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
        # Nobody's requests but the warm-up's, until `serve`.
        self._on_credit: Callable[[Instance], None] = _no_more
        self._on_death = on_death
        self.alone = False
        """Whether it has one request at a time, which was caught in another's death."""
        self._loaded: asyncio.Future[None] = self._loop.create_future()
        self.liveness = Liveness()
        self.profiler = WorkerProfiler(lambda frame: self._write("control", [frame]))
        self._open: set[str] = set()
        self.gone = False
        """Whether its process has ended: its pid may be another's by now."""
        self.how = ""
        """How the process ended, or why it is being killed."""
        self.killed = False
        """Whether somebody else has killed it."""

    def __str__(self) -> str:
        """Return what the log calls it: its service, its number and its processor build."""
        settings = self.settings
        return f"{settings.name}: instance {self.number} ({settings.worker.build})"

    def attach(self, channel: str, transport: asyncio.Transport) -> None:
        """Take over our end of a socket of the worker."""
        self._links[channel] = transport
        if channel == "bulk":
            widen(transport)
        self._open.add(channel)

    def hear(self) -> None:
        """Note that the worker's output is read, so that `link_lost` will tell of its end."""
        self._open.add("log")

    def introduce(self, pid: int) -> None:
        """Note that the worker is there."""
        self.pid = pid

    def hang_up(self) -> None:
        """Close its sockets, which ends it also where it has not told its pid yet."""
        for link in self._links.values():
            link.close()

    async def loaded(self) -> None:
        """Wait until the worker can be sent requests, or has failed; see `failure`."""
        await self._loaded

    def has_credit(self, size: int) -> bool:
        """Whether the worker may be given a request of `size` bytes now."""
        if len(self.held) >= self._credit + (self._ahead if size <= BULK_SIZE else 0):
            return False
        # Small bodies are bounded by their number; behind a large one they would wait for its run.
        held = self._held_bytes
        return size <= BULK_SIZE or not held or held + size <= BYTE_CREDIT

    @property
    def busy(self) -> bool:
        """Whether the worker holds all that it works on at a time."""
        return len(self.held) >= self._credit

    @property
    def ahead(self) -> int:
        """Requests that were sent ahead of the worker's credit: they wait, in its socket."""
        return max(0, len(self.held) - self._credit) if self._ahead else 0

    def charges_of(self, number: int) -> tuple[int, Account | None]:
        """Return how many bytes are held of the body of a call in the worker, and who pays."""
        call = self.held.get(number)
        if call is None:
            return 0, None
        return call.size if call.instance is self else 0, call.account

    def send(self, request: Call) -> None:
        """Give the worker a request, with the next `flush`; see `Call.answer` for the answer."""
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
                min(65535, count),
                number,
                request.deadline,
            )
        )
        unsent += request.body
        self._gathered += 1
        if self._gathered == _BURST or count == self._gathered == _FIRST_BURST:
            self.flush()

    def flush_soon(self) -> None:
        """Write what was sent once the loop has read all that has arrived: a burst at a time."""
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what was sent, with one system call for each socket: one takes about 10 us."""
        self._flush_due = False
        self._gathered = 0
        if self._unsent_data:
            parts, self._unsent_data = self._unsent_data, []
            self._write("data", parts)
        if self._unsent_bulk:
            parts, self._unsent_bulk = self._unsent_bulk, []
            self._write("bulk", parts)

    def cancel(self, request: Call) -> None:
        """Tell the worker that nobody waits for `request`; its credit is free after the answer."""
        request.instance = None
        request.body = []
        self.flush()  # it may not have been written itself
        self._write(_channel(request), [pack(CANCEL, number=request.number)])

    def replies(self, frames: list[Frame], channel: str = "data") -> None:
        """Hand the answers that have arrived on `channel` to whoever waits for them."""
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
            # Of the burst: what one answer waits for those before it is part of its sending.
            self._metrics.steps["send"].add(monotonic() - now, answered)
            self._metrics.settle()
        self._on_credit(self)

    def _note_times(
        self, channel: str, in_turn: int, payload: list[bytes]
    ) -> tuple[float, float, float]:
        """Take in how long a run took; return the seconds of decoding, running and encoding."""
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
        """Take requests from `on_credit` alone, until `serve` is called."""
        self.state = State.ISOLATED
        self.alone = True
        self._on_credit = on_credit

    def serve(self) -> None:
        """Take requests like any other instance from now on."""
        self.state = State.READY
        self.alone = False
        self._on_credit = self._refill

    def drain(self) -> None:
        """Take no more requests; those in the worker, and suspects, are still answered."""
        self.state = State.DRAINING
        if not self.alone:
            self._on_credit = _no_more
        self._credit = 0

    def take_no_more(self) -> None:
        """Leave the worker no credit, because one of its sockets has closed."""
        self._credit = self._ahead = 0

    def stop(self) -> None:
        """Ask the worker to end."""
        if self.state is not State.DEAD:
            self.state = State.STOPPING
            self._write("control", [pack(STOP)])

    def blame(self, why: str) -> None:
        """Note why the worker is about to be killed, for who asks how it ended."""
        self.how = self.how or why

    def exited(self, how: str, *, from_outside: bool = False) -> None:
        """
        Note that the process is gone; it counts as dead when its last answers have been read.

        `from_outside` is whether somebody killed it, through no fault of what it does.
        """
        self.killed = from_outside and not self.how and not self.failure
        self.how = self.how or how
        if self._open & self._awaited():
            # A process that the worker has started may hold its sockets open.
            asyncio.get_running_loop().call_later(_LAST_ANSWERS_S, self._died)
        else:
            self._died()
        self.gone = True

    def how_it_ended(self) -> dict[str, Any]:
        """Return who died, when, with which exit and why, as JSON can hold it."""
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
        """Return the sockets that are read to their end before a worker counts as dead."""
        # What it printed says why it could not load its model.
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
        # A closed link is a worker that is dying: what it held is answered by `died`.
        link = self._links.get(channel)
        if link is not None and not link.is_closing():
            link.writelines(parts)

    def _settle(self) -> None:
        if (self.state is State.WARMING or self.failure) and not self._loaded.done():
            self._loaded.set_result(None)


def _no_more(_: Instance) -> None:
    """Give the worker no further request."""


def _channel(request: Call) -> str:
    return "bulk" if request.size > BULK_SIZE else "data"
