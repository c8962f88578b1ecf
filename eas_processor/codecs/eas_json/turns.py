"""
Long work on JSON beside small calls: in slices, one body at a time.

The interpreter runs one thread at a time, and a loop inside C code does not change threads. So long
lists are worked on in slices, and between slices the others get their turn.
"""

import gc
import threading
import time
from contextlib import contextmanager
from typing import Any, Iterator, List

SLICE = 8192
"""Values that one slice has: they take up to half a millisecond."""

# A thread that waits for the interpreter asks for it after 5 ms, and asks again for each system
# call it makes. To sleep hands it over at once. The figures are in docs/decisions/json.md.
_HOLD_S = 0.0005
_SLEEP_S = 0.00005

_one_at_a_time = threading.Lock()


class Pauses:
    """Sleeps for a moment when it is called half a millisecond after the last time or later."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = time.perf_counter()

    def __call__(self) -> None:
        """Let other threads run, where this one has run for long."""
        if time.perf_counter() - self._since > _HOLD_S:
            time.sleep(_SLEEP_S)
            self._since = time.perf_counter()


def slices(values: List[Any], size: int = SLICE) -> Iterator[List[Any]]:
    """Yield `values` in lists of `size`, with pauses between; a short one as it is."""
    if len(values) <= size:
        yield values
        return
    pause = Pauses()
    for start in range(0, len(values), size):
        pause()
        yield values[start : start + size]


@contextmanager
def turn() -> Iterator[None]:
    """
    Wait until no other large body is decoded, and keep the others waiting.

    The memory that a body may take as Python objects is then taken once in a worker, not once for
    each thread. JSON makes no cycles, so the collector, which would look at each of millions of
    lists again and again with all threads stopped, has a rest.
    """
    with _one_at_a_time:
        collects = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if collects:
                gc.enable()
