"""
Let other calls run during long work on JSON: work in slices, on one large body at a time.

The interpreter runs one thread at a time, and a loop in C code does not switch threads. So long
lists are processed in slices, and other threads run between them.
"""

import gc
import threading
import time
from contextlib import contextmanager
from typing import Any, Iterator, List

SLICE = 8192
"""The values in one slice. They take up to half a millisecond."""

# A thread that waits for the GIL gets it only after 5 ms, and waits again after each of its system
# calls. Sleeping hands the GIL over at once. The figures are in docs/decisions/json.md.
_HOLD_S = 0.0005
_SLEEP_S = 0.00005

_one_at_a_time = threading.Lock()


class Pauses:
    """When called, sleeps for a moment if half a millisecond has passed since the last sleep."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = time.perf_counter()

    def __call__(self) -> None:
        """Let other threads run if this one has run for half a millisecond."""
        if time.perf_counter() - self._since > _HOLD_S:
            time.sleep(_SLEEP_S)
            self._since = time.perf_counter()


def slices(values: List[Any], size: int = SLICE) -> Iterator[List[Any]]:
    """Yield `values` in lists of at most `size`, with pauses between them."""
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
    Run the body of the `with` for one large request at a time.

    A worker then needs the memory for the Python objects of one large body, not of one per thread.
    Meanwhile the garbage collector is off: it would stop all threads to traverse millions of lists
    again and again, and JSON values have no cycles.
    """
    with _one_at_a_time:
        collects = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if collects:
                gc.enable()
