"""Which request goes to which instance, which waits, and which is refused."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from time import monotonic

from eas_processor.contracts.call import Request
from eas_processor.contracts.counters import ServiceMetrics
from eas_processor.contracts.refusals import DeadlineExceeded, NotReady, QueueFull, Refusal
from eas_processor.contracts.settings import ServiceSettings
from eas_processor.instances.instance import Instance
from eas_processor.link.frames import BULK_SIZE
from eas_processor.serving.isolation import Isolation
from eas_processor.serving.poison import Poison

log = logging.getLogger("eas_processor.engine")


class Admission:
    """
    The queue of one service, in front of its ready instances.

    A request is admitted when it has arrived whole. It goes to the ready instance with the least
    outstanding work that has credit, else it waits, first come first served; large requests wait in
    a line of their own, so that one that waits for byte credit does not hold up the small ones.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self.metrics = ServiceMetrics()
        self._note_received = self.metrics.steps["receive"].noted.append
        self._ready: list[Instance] = []
        self._small: OrderedDict[int, Request] = OrderedDict()
        self._large: OrderedDict[int, Request] = OrderedDict()
        self._deadlines: OrderedDict[int, Request] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._older: OrderedDict[int, Request] = OrderedDict()
        """What began before `rpc.keepalive` changed: its deadlines are in an order of their own."""
        self._poison = Poison(settings.name)
        self._isolation = Isolation(self._poison, self._serve)
        self._expecting = True
        """Whether an instance is on its way, so that waiting makes sense while none is ready."""

    @property
    def outstanding(self) -> int:
        """Requests that have begun and are not answered yet."""
        return len(self._deadlines) + len(self._older)

    @property
    def ready(self) -> bool:
        """Whether an instance can take requests."""
        return bool(self._ready)

    @property
    def has_suspects(self) -> bool:
        """Whether requests that were caught in a worker's death wait to be tried alone."""
        return len(self._isolation) > 0

    @property
    def waiting(self) -> int:
        """Requests that wait for an instance, or in the socket of one."""
        ahead = sum(instance.ahead for instance in self._ready)
        return len(self._small) + len(self._large) + ahead

    def gauges(self) -> dict[str, int]:
        """Return what is shown beside the counters: see `metrics.exposition`."""
        return {
            "in_flight": self.outstanding,
            "queue_length": self.waiting,
            "instances_ready": len(self._ready),
        }

    def begin(self, request: Request) -> None:
        """Watch the deadline of a request that has begun to arrive, later than all before it."""
        self._deadlines[request.number] = request
        if self._timer is None:
            self._watch(request)

    def configure(self, settings: ServiceSettings) -> None:
        """Take other limits from now on; requests that have begun keep their deadlines."""
        self._poison.forget()
        if settings.keepalive != self._settings.keepalive:
            self._older.update(self._deadlines)
            self._deadlines.clear()
            for request in self._older.values():
                delay = max(0.0, request.deadline - monotonic())
                asyncio.get_running_loop().call_later(delay, self._expire_older, request)
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        self._settings = settings

    def refusal(self, size: int) -> Refusal | None:
        """Return why a request of `size` bytes would be refused if it were submitted now."""
        if not self._ready and not self._expecting:
            return self._not_ready()
        limit = self._settings.max_queue_size
        if self.waiting < limit or self._free(size):
            return None
        return QueueFull(
            f"all {len(self._ready)} instance(s) of {self._settings.name!r} are busy and {limit} "
            "request(s) wait already (metadata.rpc.max_queue_size); try again in a moment"
        )

    def submit(self, request: Request, now: float) -> None:
        """Send a request that has arrived whole `now`, or let it wait, or refuse it."""
        request.submitted = now
        self._note_received(now - request.began)
        if request.size in self._poison.sizes and (again := self._poison.refusal(request)):
            request.refuse(again)
        elif instance := self._free(request.size):
            instance.send(request)
            instance.flush_soon()
        elif refusal := self.refusal(request.size):
            self.metrics.settle()
            request.refuse(refusal)
        else:
            self._line(request.size)[request.number] = request

    def end(self, request: Request) -> None:
        """Stop watching the deadline of a request that is answered."""
        if self._deadlines.pop(request.number, None) is None:
            self._older.pop(request.number, None)

    def withdraw(self, request: Request) -> None:
        """Take back a request that nobody waits for; a worker that holds it is told to drop it."""
        self.end(request)
        self.metrics.settle()
        if request.instance is not None:
            request.instance.cancel(request)
        elif self._line(request.size).pop(request.number, None) is None:
            self._isolation.withdraw(request)

    def instance_ready(self, instance: Instance) -> None:
        """Let requests go to `instance` from now on, those that wait to be tried alone first."""
        if not self._isolation.admit(instance):
            self._serve(instance)

    def try_again(self, caught: list[Request], *, alone: bool, how: str) -> None:
        """Try what a worker held when it died again, alone in an instance that will be ready."""
        before = len(self._isolation)
        self._isolation.take(caught, alone=alone, how=how)
        self.metrics.retries += len(self._isolation) - before

    def instance_gone(self, instance: Instance) -> None:
        """Send no more requests to `instance`."""
        if instance in self._ready:
            self._ready.remove(instance)

    def expect(self, expecting: bool) -> None:
        """Say whether an instance is on its way; if not, and none is left, nobody need wait."""
        self._expecting = expecting
        if self._ready or expecting:
            return
        waiting = [*self._isolation.give_up(), *self._small.values(), *self._large.values()]
        self._small.clear()
        self._large.clear()
        for request in waiting:
            request.refuse(self._not_ready())

    def refill(self, instance: Instance) -> None:
        """Send waiting requests to `instance` while it has credit."""
        while (self._small or self._large) and (request := self._next(instance)):
            instance.send(request)
        instance.flush()

    def _serve(self, instance: Instance) -> None:
        instance.serve()
        self._ready.append(instance)
        log.info("%s is ready (pid %d)", instance, instance.pid)
        self.refill(instance)

    def _not_ready(self) -> NotReady:
        return NotReady(f"service {self._settings.name!r} has no instance that can answer now")

    def _line(self, size: int) -> OrderedDict[int, Request]:
        return self._large if size > BULK_SIZE else self._small

    def _free(self, size: int) -> Instance | None:
        """Return the instance that can take a request of `size` bytes, if none waits before it."""
        if self._large if size > BULK_SIZE else self._small:
            return None
        best = None
        for instance in self._ready:
            if instance.has_credit(size) and (best is None or len(instance.held) < len(best.held)):
                best = instance
        # Ahead of its credit a request waits, and for that there must be a place.
        if best is not None and best.busy and self.waiting >= self._settings.max_queue_size:
            return None
        return best

    def _next(self, instance: Instance) -> Request | None:
        """Take the oldest of the waiting requests that `instance` has credit for."""
        lines = self._small, self._large
        if all(lines) and next(iter(self._large)) < next(iter(self._small)):
            lines = self._large, self._small
        for line in lines:
            if line and instance.has_credit(next(iter(line.values())).size):
                return line.popitem(last=False)[1]
        return None

    def _watch(self, request: Request) -> None:
        delay = max(0.0, request.deadline - monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay, self._expire)

    def _expire(self) -> None:
        # A service's requests have the same time to live: one timer, for the oldest, serves all.
        self._timer = None
        now = monotonic()
        while request := next(iter(self._deadlines.values()), None):
            if request.deadline > now:
                self._watch(request)
                return
            self._refuse_late(request, self._settings.keepalive)

    def _expire_older(self, request: Request) -> None:
        if request.number in self._older:
            self._refuse_late(request, None)

    def _refuse_late(self, request: Request, keepalive: float | None) -> None:
        waits = request.number in self._line(request.size) or request in self._isolation
        submitted = request.instance or waits
        self.withdraw(request)
        late = "not answered" if submitted else "the body did not arrive"
        limit = f"{keepalive * 1000:.0f} ms" if keepalive else "the time that was given"
        request.refuse(DeadlineExceeded(f"{late} within {limit} (metadata.rpc.keepalive)"))
