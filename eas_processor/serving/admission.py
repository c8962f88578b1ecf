"""Sends each request to an instance, queues it, or refuses it."""

from __future__ import annotations

import logging
from collections import OrderedDict

from eas_processor.contracts.backend import Backend
from eas_processor.contracts.call import Call
from eas_processor.contracts.counters import ServiceMetrics
from eas_processor.contracts.refusals import DeadlineExceeded, NotReady, QueueFull, Refusal
from eas_processor.contracts.settings import ServiceSettings
from eas_processor.contracts.shown import for_clients
from eas_processor.link.frames import BULK_SIZE
from eas_processor.serving.deadlines import Deadlines
from eas_processor.serving.isolation import Isolation
from eas_processor.serving.poison import Poison

log = logging.getLogger("eas_processor.engine")

_LONGEST_REASON = 1000


class Admission:
    """
    The queue of one service, in front of its ready instances.

    A request is submitted when it has arrived whole. Among the ready instances with credit, the
    one with the fewest calls gets it. Without such an instance it waits, first come first served.
    Large requests have a queue of their own, so that one that waits for byte credit does not delay
    small ones.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self.metrics = ServiceMetrics()
        self._note_received = self.metrics.steps["receive"].noted.append
        self._ready: list[Backend] = []
        self._small: OrderedDict[int, Call] = OrderedDict()
        self._large: OrderedDict[int, Call] = OrderedDict()
        self._deadlines = Deadlines(self._refuse_late)
        self._poison = Poison(settings.name)
        self._isolation = Isolation(self._poison, self._serve)
        self._expecting = True
        """Whether an instance is starting, so that requests wait for it while none is ready."""
        self.reason = ""
        """Why no instance is starting, if that is known."""

    @property
    def outstanding(self) -> int:
        """Requests that have begun and are not answered yet."""
        return len(self._deadlines)

    @property
    def ready(self) -> bool:
        """Whether an instance can take requests."""
        return bool(self._ready)

    @property
    def has_suspects(self) -> bool:
        """Whether requests that a worker held when it died wait to be retried alone."""
        return len(self._isolation) > 0

    @property
    def waiting(self) -> int:
        """Requests that wait in the queue or in the socket of an instance."""
        ahead = sum(instance.ahead for instance in self._ready)
        return len(self._small) + len(self._large) + ahead

    def gauges(self) -> dict[str, int]:
        """Return the gauges that `metrics.exposition` shows."""
        return {
            "in_flight": self.outstanding,
            "queue_length": self.waiting,
            "instances_ready": len(self._ready),
        }

    def begin(self, request: Call) -> None:
        """Watch the deadline of a call that began after every call that is already watched."""
        self._deadlines.watch(request, self._settings.keepalive)

    def begin_own(self, request: Call, limit: float) -> None:
        """Watch a call with its own deadline, `limit` seconds from now; 0.0 for none."""
        self._deadlines.watch_own(request, limit)

    def configure(self, settings: ServiceSettings) -> None:
        """Use the limits of `settings` from now on. Calls that have begun keep their deadlines."""
        self._poison.forget()
        self._settings = settings

    def refusal(self, size: int) -> Refusal | None:
        """Return why a request of `size` bytes would be refused if it were submitted now."""
        if not self._ready and not self._expecting:
            return self._not_ready()
        limit = self._settings.max_queue_size
        if self.waiting < limit or self._free(size):
            return None
        return QueueFull(
            f"the queue of {self._settings.name!r} is full (limit {limit}, set by "
            f"metadata.rpc.max_queue_size), and its instances are busy; try again in a moment"
        )

    def submit(self, request: Call, now: float) -> None:
        """Send, queue or refuse a request whose last byte arrived `now`."""
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

    def end(self, request: Call) -> None:
        """Stop watching the deadline of a call that is answered."""
        self._deadlines.end(request)

    def withdraw(self, request: Call) -> None:
        """Drop a request that nobody waits for, and tell the instance that holds it."""
        self.end(request)
        self.metrics.settle()
        if request.instance is not None:
            request.instance.cancel(request)
        elif self._line(request.size).pop(request.number, None) is None:
            self._isolation.withdraw(request)

    def instance_ready(self, instance: Backend) -> None:
        """Send requests to `instance` from now on, first those that are retried alone."""
        if not self._isolation.admit(instance):
            self._serve(instance)

    def try_again(self, caught: list[Call], *, alone: bool, how: str) -> None:
        """Retry the requests `caught` by a worker's death, each alone in the next instance."""
        before = len(self._isolation)
        self._isolation.take(caught, alone=alone, how=how)
        self.metrics.retries += len(self._isolation) - before

    def instance_gone(self, instance: Backend) -> None:
        """Send no more requests to `instance`."""
        if instance in self._ready:
            self._ready.remove(instance)

    def expect(self, expecting: bool, reason: str = "") -> None:
        """Note whether an instance is starting. If not, and none is ready, refuse all that wait."""
        self._expecting = expecting
        self.reason = reason[:_LONGEST_REASON]
        if self._ready or expecting:
            return
        waiting = [*self._isolation.give_up(), *self._small.values(), *self._large.values()]
        self._small.clear()
        self._large.clear()
        for request in waiting:
            request.refuse(self._not_ready())

    def refill(self, instance: Backend) -> None:
        """Send waiting requests to `instance` while it has credit."""
        while (self._small or self._large) and (request := self._next(instance)):
            instance.send(request)
        instance.flush()

    def _serve(self, instance: Backend) -> None:
        instance.serve()
        self._ready.append(instance)
        log.info("%s is ready (pid %d)", instance, instance.pid)
        self.refill(instance)

    def _not_ready(self) -> NotReady:
        reason = f": {for_clients(self.reason)}" if self.reason else ""
        return NotReady(
            f"service {self._settings.name!r} has no instance that can answer now{reason}"
        )

    def _line(self, size: int) -> OrderedDict[int, Call]:
        return self._large if size > BULK_SIZE else self._small

    def _free(self, size: int) -> Backend | None:
        """Return the best instance for a request of `size` bytes; None if it has to wait."""
        if self._large if size > BULK_SIZE else self._small:
            return None
        best = None
        for instance in self._ready:
            if instance.has_credit(size) and (best is None or len(instance.held) < len(best.held)):
                best = instance
        # A request that is sent to a busy instance waits there, and takes a place of the queue.
        if best is not None and best.busy and self.waiting >= self._settings.max_queue_size:
            return None
        return best

    def _next(self, instance: Backend) -> Call | None:
        """Remove and return the oldest waiting request for which `instance` has credit."""
        lines = self._small, self._large
        if all(lines) and next(iter(self._large)) < next(iter(self._small)):
            lines = self._large, self._small
        for line in lines:
            if line and instance.has_credit(next(iter(line.values())).size):
                return line.popitem(last=False)[1]
        return None

    def _refuse_late(self, request: Call, limit: float) -> None:
        waits = request.number in self._line(request.size) or request in self._isolation
        submitted = request.instance or waits
        self.withdraw(request)
        late = "not answered" if submitted else "the body did not arrive"
        given = f"{limit * 1000:.0f} ms (metadata.rpc.keepalive)" if limit else "its deadline"
        request.refuse(DeadlineExceeded(f"{late} within {given}"))
