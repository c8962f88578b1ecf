"""Which instance of a service gets the next attempt, under a direct connection."""

from __future__ import annotations

import threading
import time
from typing import Callable, Collection, Mapping

FIRST_MOMENT_S = 0.2
LONGEST_MOMENT_S = 30.0


class Instance:
    """One address of the list, and how it does."""

    __slots__ = ("address", "failures", "outstanding", "turn", "until", "weight")

    def __init__(self, address: str, weight: float, turn: float) -> None:
        self.address = address
        self.weight = weight
        self.turn = turn
        """Attempts so far, over the weight: the lowest is next."""
        self.outstanding = 0
        self.failures = 0
        """In a row."""
        self.until = 0.0
        """When the moment ends for which a failure has set it aside."""

    def takes(self, now: float) -> bool:
        """Whether it is not set aside; after its moment one request tries it, not all of them."""
        return not self.failures or (now >= self.until and not self.outstanding)


class Balancer:
    """
    Shares attempts by weight; of those that are due, the one with the least to do is next.

    An instance that fails is set aside for 0.2 s, twice that with every further failure, at most
    30 s. Its turns while it is away are not made up for afterwards.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._instances: dict[str, Instance] = {}
        self._floor = 0.0
        self.renew_lock()

    def renew_lock(self) -> None:
        """Take a new lock: after a fork the old one may be held by a thread that is gone."""
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._instances)

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each address."""
        return {each.address: each.weight for each in list(self._instances.values())}

    def update(self, weights: Mapping[str, float]) -> list[str]:
        """Take over a new list; return the addresses that are gone from it."""
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
        Return the address for the next attempt, which `done` ends.

        It is one that was not `tried` yet, where one is fit. Where none is fit it is the one whose
        moment ends first.
        """
        with self._lock:
            now = self._clock()
            weighted = [each for each in self._instances.values() if each.weight > 0]
            # Where every weight is 0, the list still says who serves.
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
        Take note of the end of an attempt; return whether another instance is fit.

        `failed` is None for an attempt that says nothing of the instance, since it was given up.
        """
        with self._lock:
            now = self._clock()
            instance = self._instances.get(address)
            if instance is not None:
                instance.outstanding = max(0, instance.outstanding - 1)
                if failed is False:
                    instance.failures = 0
                elif failed and now >= instance.until:  # those that fail together count once
                    moment = FIRST_MOMENT_S * 2**instance.failures
                    instance.until = now + min(moment, LONGEST_MOMENT_S)
                    instance.failures = min(instance.failures + 1, 16)
            return any(
                each.takes(now) for each in self._instances.values() if each.address != address
            )


def _least_busy(fit: list[Instance]) -> Instance:
    """Of those that are at most one turn ahead, the one with the fewest attempts for its weight."""
    lowest = min(each.turn for each in fit)
    due = [each for each in fit if each.turn < lowest + 1 / (each.weight or 1)]
    # Of equals one that has failed: its turn is moved up to the others' each time, and no further.
    return min(
        due, key=lambda each: (each.outstanding / (each.weight or 1), each.turn, not each.failures)
    )
