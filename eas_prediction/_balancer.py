"""Chooses the instance of a service for the next attempt, for a direct connection."""

from __future__ import annotations

import threading
import time
from typing import Callable, Collection, Mapping

FIRST_MOMENT_S = 0.2
LONGEST_MOMENT_S = 30.0


class Instance:
    """One address of the list, and the results of its attempts."""

    __slots__ = ("address", "failures", "outstanding", "turn", "until", "weight")

    def __init__(self, address: str, weight: float, turn: float) -> None:
        self.address = address
        self.weight = weight
        self.turn = turn
        """The attempts so far, divided by the weight. The lowest is next."""
        self.outstanding = 0
        self.failures = 0
        """The number of failures in a row."""
        self.until = 0.0
        """Until when it is set aside after a failure."""

    def takes(self, now: float) -> bool:
        """Whether it can take an attempt. After it was set aside, only one attempt tests it."""
        return not self.failures or (now >= self.until and not self.outstanding)


class Balancer:
    """
    Shares attempts by weight. Among the instances that are due, the least busy one is next.

    An instance that fails is set aside for 0.2 s. The time doubles with each further failure, up to
    30 s. The turns that it missed are not made up for afterwards.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._instances: dict[str, Instance] = {}
        self._floor = 0.0
        self.renew_lock()

    def renew_lock(self) -> None:
        """Make a new lock. After a fork, a thread of the parent may hold the old one."""
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._instances)

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each address."""
        return {each.address: each.weight for each in list(self._instances.values())}

    def update(self, weights: Mapping[str, float]) -> list[str]:
        """Use a new list; return the addresses that are no longer in it."""
        with self._lock:
            old, new = self._instances, {}
            for address, weight in weights.items():
                instance = old.get(address) or Instance(address, weight, self._floor)
                instance.weight = weight
                new[address] = instance
            self._instances = new
            return [address for address in old if address not in new]

    def choose(self, tried: Collection[str] = ()) -> str:
        """
        Return the address for the next attempt. `done` has to be called at its end.

        Instances that can take an attempt and were not `tried` are preferred. If none can take an
        attempt, it is the one that was set aside for the shortest time from now.
        """
        with self._lock:
            now = self._clock()
            weighted = [each for each in self._instances.values() if each.weight > 0]
            # If every weight is 0, the list still contains the instances that serve.
            every = weighted or list(self._instances.values())
            fit = [each for each in every if each.takes(now)]
            if fit:
                steady = [each.turn for each in fit if not each.failures]
                self._floor = min(steady, default=self._floor)
                for each in fit:
                    if each.failures:
                        each.turn = max(each.turn, self._floor)
                untried = [each for each in fit if each.address not in tried] if tried else fit
                chosen = _least_busy(untried or fit)
            else:
                untried = [each for each in every if each.address not in tried]
                chosen = min(untried or every, key=lambda each: each.until)
            chosen.outstanding += 1
            chosen.turn += 1 / (chosen.weight or 1)
            return chosen.address

    def done(self, address: str, *, failed: bool | None) -> bool:
        """
        Note the end of an attempt; return whether another instance can take one.

        `failed` is None for an attempt that was given up, which tells nothing about the instance.
        """
        with self._lock:
            now = self._clock()
            instance = self._instances.get(address)
            if instance is not None:
                instance.outstanding = max(0, instance.outstanding - 1)
                if failed is False:
                    instance.failures = 0
                elif failed and now >= instance.until:  # concurrent failures count once
                    moment = FIRST_MOMENT_S * 2**instance.failures
                    instance.until = now + min(moment, LONGEST_MOMENT_S)
                    instance.failures = min(instance.failures + 1, 16)
            return any(
                each.takes(now) for each in self._instances.values() if each.address != address
            )


def _least_busy(fit: list[Instance]) -> Instance:
    """Return the instance with the fewest attempts for its weight, at most one turn ahead."""
    lowest = min(each.turn for each in fit)
    due = [each for each in fit if each.turn < lowest + 1 / (each.weight or 1)]
    # Among equals, one that has failed is preferred, because its turn never falls behind.
    return min(
        due, key=lambda each: (each.outstanding / (each.weight or 1), each.turn, not each.failures)
    )
