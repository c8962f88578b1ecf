"""Load on one endpoint: a closed loop, or an open loop at a fixed rate."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
from array import array
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import uvloop

from eas_processor.bench.connecting import connect
from eas_processor.bench.senders import Sender
from eas_processor.bench.statuses import HTTP, Statuses
from eas_processor.bench.target import Target
from eas_processor.bench.timer import Ticker
from eas_processor.errors import BenchError

_FINEST_TICK_S = 0.0001
_RECONNECT_PAUSE_S = 0.05


@dataclass(frozen=True)
class Plan:
    """
    How to load an endpoint. Times are in seconds.

    The measured part ends after `duration`, or after `requests` requests if that is above 0. With
    `rate` above 0, a request is due every 1 / rate seconds, regardless of answers. Its latency
    counts from that time, so it includes a wait for one of the `connections`.

    `concurrency` is the number of gRPC calls in flight over all connections; 0 means one on each.
    """

    connections: int = 1
    concurrency: int = 0
    duration: float = 10.0
    warm_up: float = 1.0
    rate: float = 0.0
    timeout: float = 30.0
    requests: int = 0

    def in_flight(self) -> list[int]:
        """Return how many requests each connection has in flight at a time."""
        count = self.connections
        total = max(self.concurrency, count)
        return [total * (i + 1) // count - total * i // count for i in range(count)]


@dataclass
class Result:
    """
    The result of a run.

    `latencies` are the seconds until each answer, whatever its status. For answers that did not
    come, they are the seconds that the run waited for them.
    """

    seconds: float = 0.0
    latencies: array[float] = field(default_factory=lambda: array("f"))
    statuses: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    unsent: int = 0
    """Requests of an open loop that found no free connection in time."""
    good_in_time: int = 0
    """Good answers that arrived before the end."""
    kind: Statuses = HTTP

    @property
    def answers(self) -> int:
        """How many requests were answered."""
        return sum(self.statuses.values())

    @property
    def good(self) -> int:
        """How many answers have a good status: 2xx, or OK of gRPC."""
        return sum(count for status, count in self.statuses.items() if status in self.kind.good)

    @property
    def throughput(self) -> float:
        """Good answers per second, without those that arrived after the end."""
        return self.good_in_time / self.seconds if self.seconds else 0.0

    @property
    def failed(self) -> int:
        """Requests that were refused or cut off."""
        return self.answers - self.good + sum(self.errors.values())


def run_load(target: Target, requests: Sequence[Any], plan: Plan) -> Result:
    """
    Load `target` and return the result. Raises BenchError if nothing listens there.

    Requests are built by `build_requests`, and by `build_calls` for a gRPC target.
    """
    return uvloop.run(Load(target, requests, plan).run())


class Load:
    """The connections of one run, and their results."""

    def __init__(self, target: Target, requests: Sequence[Any], plan: Plan) -> None:
        self._target = target
        self._requests = itertools.cycle(requests)
        self._plan = plan
        self._result = Result(kind=target.statuses)
        self._senders: set[Sender] = set()
        self._idle: deque[Sender] = deque()
        self._waiting: deque[float] = deque()
        """The due times of requests for which no sender was free."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._open_loop = plan.rate > 0
        self._sending = True
        self._started = 0.0
        self._issued = 0
        self._note = self._result.latencies.append
        self._counted_from = 0.0
        """In an open loop, answers to requests that were due before this belong to the warm-up."""
        self._left = math.inf
        self._enough = asyncio.Event()

    async def run(self) -> Result:
        """Connect, load, and close."""
        await asyncio.gather(*map(self._connect, self._plan.in_flight()))
        watch = asyncio.create_task(self._watch_timeouts())
        try:
            if self._plan.warm_up:
                await self._load_for(self._plan.warm_up)
            self._result = Result(kind=self._target.statuses)
            self._note = self._result.latencies.append
            self._waiting.clear()
            self._left = self._plan.requests or math.inf
            start = perf_counter()
            if self._open_loop:
                self._counted_from = start
            await self._load_for(self._plan.duration)
            self._sending = False
            self._result.seconds = perf_counter() - start
            self._result.good_in_time = self._result.good
            await self._finish()
        finally:
            self._sending = False
            watch.cancel()
            for task in self._tasks:
                task.cancel()
            for sender in list(self._senders):
                sender.close()
        return self._result

    # Called by the senders

    def answered(
        self, sender: Sender, status: int, since: float, now: float, *, reusable: bool
    ) -> None:
        """Note an answer and, while the run lasts and the sender takes it, send the next."""
        if since >= self._counted_from and self._left > 0:
            self._note(now - since)
            self._result.statuses[status] += 1
            self._count()
        if not reusable or not self._sending:
            return
        if not self._open_loop:
            sender.send(next(self._requests), now)
        else:
            self._use(sender)

    def broken(self, sender: Sender, reason: str) -> None:
        """Note an answer that cannot be parsed, or will not arrive."""
        since, sender.since = sender.since, None
        self._failed(since, reason)
        sender.give_up()

    def free(self, sender: Sender) -> None:
        """Send the next request, after one that was given up."""
        if self._sending:
            self._use(sender)

    def lost(self, senders: Sequence[Sender], reason: Exception | None) -> None:
        """Note the requests that were cut off, and connect again."""
        for sender in senders:
            self._senders.discard(sender)
            if sender in self._idle:
                self._idle.remove(sender)
            if sender.since is not None:
                cut = f"the connection was cut before the answer ({_cut(reason)})"
                self._failed(sender.since, cut)
        if not self._sending:
            return
        task = asyncio.create_task(self._connect_again(len(senders)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _use(self, sender: Sender) -> None:
        """Send the due requests through free senders."""
        if not self._open_loop:
            sender.send(next(self._requests), perf_counter())
        elif self._waiting:
            sender.send(next(self._requests), self._waiting.popleft())
        else:
            self._idle.append(sender)

    def _failed(self, since: float | None, reason: str) -> None:
        if (since is None or since >= self._counted_from) and self._left > 0:
            self._result.errors[reason] += 1
            self._count()

    def _count(self) -> None:
        self._left -= 1
        if self._left <= 0:
            self._enough.set()

    # The run

    async def _load_for(self, seconds: float) -> None:
        self._started = perf_counter()
        self._issued = 0
        if not self._open_loop:
            for sender in list(self._senders):
                if sender.since is None:
                    self._use(sender)
            await self._wait(seconds)
            return
        self._idle = deque(each for each in self._senders if each.since is None)
        self._issue()
        ticker = Ticker(max(1 / self._plan.rate, _FINEST_TICK_S), self._issue)
        try:
            await self._wait(seconds)
        finally:
            ticker.close()

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            limit = seconds if seconds < math.inf else None
            await asyncio.wait_for(self._enough.wait(), limit)

    def _issue(self) -> None:
        """Start every request whose time has come."""
        rate, started = self._plan.rate, self._started
        due = int((perf_counter() - started) * rate) + 1  # the first one at once
        while self._issued < due:
            since = started + self._issued / rate
            self._issued += 1
            if self._idle:
                self._idle.popleft().send(next(self._requests), since)
            else:
                self._waiting.append(since)

    async def _finish(self) -> None:
        """
        Wait for the outstanding answers, so that the slowest ones are counted too.

        Requests that were not sent count with the time that they waited, which is a lower bound.
        """
        if self._left <= 0:
            return
        now = perf_counter()
        self._result.unsent = len(self._waiting)
        self._result.latencies.extend(now - since for since in self._waiting)
        self._waiting.clear()
        end = now + self._plan.timeout
        while any(each.since is not None for each in self._senders) and perf_counter() < end:
            await asyncio.sleep(0.005)
        self._give_up(perf_counter())

    async def _connect(self, in_flight: int) -> Sequence[Sender]:
        senders = await connect(self._target, self, in_flight)
        self._senders.update(senders)
        return senders

    async def _connect_again(self, in_flight: int) -> None:
        while self._sending:
            try:
                senders = await self._connect(in_flight)
            except BenchError as error:
                self._failed(None, str(error))
                await asyncio.sleep(_RECONNECT_PAUSE_S)
                continue
            for sender in senders:
                if self._sending:
                    self._use(sender)
                else:
                    sender.close()
            return

    async def _watch_timeouts(self) -> None:
        limit = self._plan.timeout
        while True:
            await asyncio.sleep(min(1.0, limit / 2))
            self._give_up(perf_counter() - limit)

    def _give_up(self, sent_before: float) -> None:
        """Count requests sent before then that have no answer, with the time that they waited."""
        now = perf_counter()
        for each in list(self._senders):
            if each.since is not None and each.since < sent_before:
                if each.since >= self._counted_from and self._left > 0:
                    self._note(now - each.since)
                self.broken(each, f"no answer within {self._plan.timeout:g} s")


def _cut(reason: Exception | None) -> str:
    return "closed" if reason is None else str(reason) or type(reason).__name__
