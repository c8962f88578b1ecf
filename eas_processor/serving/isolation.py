"""Retries requests that a worker held when it died, one at a time and alone in a worker."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

from eas_processor.contracts.backend import Backend, State
from eas_processor.contracts.call import Call
from eas_processor.contracts.refusals import InternalError
from eas_processor.serving.poison import Poison

_FROM_OUTSIDE = "killed by SIGKILL", "killed by the kernel: out of memory"
"""Deaths that a process does not cause itself: a person, or the kernel when memory is short."""


class Isolation:
    """
    The requests of one service that may have killed a worker: the suspects.

    A new instance runs them one after the other before it serves anything else, and is then passed
    to `release`. A request that was alone in a worker when the worker died is refused as poison
    (`InternalError`). After a SIGKILL, which may have come from outside, it is retried once more.
    """

    def __init__(self, poison: Poison, release: Callable[[Backend], None]) -> None:
        self._poison = poison
        self._release = release
        self._waiting: OrderedDict[int, Call] = OrderedDict()
        self._excused: dict[int, float] = {}
        """The deadlines of requests that were alone in a worker killed from outside, by number."""

    def __len__(self) -> int:
        """Return how many requests wait to be retried."""
        return len(self._waiting)

    def __contains__(self, request: Call) -> bool:
        """Whether the request waits to be retried."""
        return request.number in self._waiting

    def take(self, caught: list[Call], *, alone: bool, how: str) -> None:
        """Take over the requests that a worker held when it died as `how` says."""
        for request in caught:
            if not alone or self._is_excused(request, how):
                self._waiting[request.number] = request
            else:
                self._refuse_poison(request, how)

    def admit(self, instance: Backend) -> bool:
        """Run the suspects in `instance`, before it serves; return whether there are any."""
        if not self._waiting:
            return False
        instance.isolate(self._next)
        self._next(instance)
        return True

    def withdraw(self, request: Call) -> None:
        """Forget a request that nobody waits for."""
        self._waiting.pop(request.number, None)
        self._excused.pop(request.number, None)

    def give_up(self) -> list[Call]:
        """Return all requests that wait, and forget them."""
        waiting = list(self._waiting.values())
        self._waiting.clear()
        self._excused.clear()
        return waiting

    def _next(self, instance: Backend) -> None:
        if instance.state not in (State.ISOLATED, State.DRAINING) or instance.held:
            return
        while self._waiting:
            _, request = self._waiting.popitem(last=False)
            if again := self._poison.refusal(request):
                request.refuse(again)
            else:
                instance.send(request)
                instance.flush()
                return
        if instance.state is State.ISOLATED:
            self._release(instance)

    def _is_excused(self, request: Call, how: str) -> bool:
        if how not in _FROM_OUTSIDE or request.number in self._excused:
            return False
        # Nothing reports that an excused request was answered, so expired ones are removed here.
        now = monotonic()
        self._excused = {number: until for number, until in self._excused.items() if until > now}
        self._excused[request.number] = request.deadline
        return True

    def _refuse_poison(self, request: Call, how: str) -> None:
        self._excused.pop(request.number, None)
        self._poison.remember(request, how)
        request.refuse(
            InternalError(
                f"the worker crashed ({how}) while it was running only this request; "
                "it will not be retried"
            )
        )
