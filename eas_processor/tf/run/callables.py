"""
Run a graph for one set of feeds and fetches, in the faster of two ways.

TensorFlow can run the ops of a graph on the calling thread, which wakes no other thread. It can
also run them in its inter-op pool, which is faster for graphs with many wide branches. The first
calls are timed to choose. The figures are in docs/decisions/running-the-graph.md.
"""

import logging
import threading
import time
import weakref
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from eas_processor.tf.errors import RunError
from eas_processor.tf.rows.proof import RowProof
from eas_processor.tf.run.run_errors import translate_unprepared
from eas_processor.tf.runtime import CallableOptions, tf

log = logging.getLogger(__name__)

Run = Callable[..., Sequence[Any]]

# A warm-up request is sent 5 times. That is enough for long runs with a clear difference, because
# cold caches do not matter for these. Short runs are timed on more of the calls that follow.
_EARLY, _LATE, _CLEAR, _LONG_S = 5, 41, 1.25, 0.002

# The trial ends after this many shapes, because a model whose shapes never repeat cannot be timed.
_MAX_SHAPES = 16

# Errors of the graph itself, which the next attempt would meet again after a long compilation.
_LASTING = (tf.errors.InvalidArgumentError, tf.errors.NotFoundError, tf.errors.UnimplementedError)


class PlanCallable:
    """The callable of a plan: `run(*arrays)` takes the fed arrays, and returns fetched values."""

    __slots__ = ("__weakref__", "run")

    run: Run


class GraphCallable(PlanCallable):
    """
    The callable of a graph for one set of feeds and fetches, both in order.

    It is safe to call from several threads. `run` is replaced when the faster way is known, so read
    the attribute for each call. TensorFlow's own callables are released with the last reference to
    this object. `proofs` holds the row proofs of its outputs, by the declared shapes of its feeds
    and the statements about its outputs.
    """

    __slots__ = ("proofs",)

    def __init__(
        self,
        session: Any,
        feeds: Sequence[str],
        fetches: Sequence[str],
        on_caller_thread: Optional[bool],
    ) -> None:
        def make(caller: bool) -> Run:
            return make_callable(session, feeds, fetches, caller)

        self.proofs: Dict[Any, RowProof] = {}

        # A weak reference, because workers run without the collector that would free a cycle.
        owner = weakref.ref(self)

        def settle(run: Run) -> None:
            graph_callable = owner()
            if graph_callable is not None:
                graph_callable.run = run

        if on_caller_thread is None:
            self.run = _Trial(make, settle, ", ".join(fetches))
        else:
            self.run = make(on_caller_thread)


def make_callable(
    session: Any, feeds: Sequence[str], fetches: Sequence[str], on_caller_thread: bool
) -> Run:
    """
    Return TensorFlow's callable for tensors by name.

    Raises RunError if TensorFlow cannot prepare the graph for it, whatever the request.
    """
    options = CallableOptions(feed=feeds, fetch=fetches)
    if on_caller_thread:
        options.run_options.inter_op_thread_pool = -1
    try:
        run: Run = session._make_callable_from_options(options)
    except tf.errors.OpError as error:
        raise translate_unprepared(error) from error
    return run


class _Timings:
    """The seconds of calls with one set of shapes, by way; True is on the caller's thread."""

    __slots__ = ("seconds",)

    def __init__(self) -> None:
        self.seconds: Dict[bool, List[float]] = {True: [], False: []}

    def next_way(self) -> bool:
        """Return the way with fewer timed calls."""
        return len(self.seconds[True]) <= len(self.seconds[False])

    def best(self) -> Optional[Tuple[float, float]]:
        """Return the best time of each way, the caller's thread first; None while undecided."""
        # The first call of each way compiles the graph, or tunes kernels for the shapes.
        caller, pool = self.seconds[True][1:], self.seconds[False][1:]
        if not caller or not pool:
            return None
        best = min(caller), min(pool)
        calls = len(caller) + len(pool) + 2
        clear = calls >= _EARLY and min(best) >= _LONG_S and max(best) >= _CLEAR * min(best)
        return best if clear or calls >= _LATE else None


class _Trial:
    """Runs calls in both ways alternately, and then chooses the faster one."""

    def __init__(
        self, make: Callable[[bool], Run], settle: Callable[[Run], None], label: str
    ) -> None:
        self._make = make
        self._settle = settle
        self._label = label
        self._ways: Dict[bool, Run] = {}
        self._timings: Dict[Tuple[Tuple[int, ...], ...], _Timings] = {}
        self._decided = False
        self._failure = ""
        self._lock = threading.Lock()

    def __call__(self, *arrays: Any) -> Sequence[Any]:
        shapes = tuple(array.shape for array in arrays)
        with self._lock:
            timings = self._timings.get(shapes) or _Timings()
            on_caller_thread = timings.next_way()
            run = self._way(on_caller_thread)
        start = time.perf_counter()
        outputs = run(*arrays)
        elapsed = time.perf_counter() - start
        with self._lock:
            timings = self._timings.setdefault(shapes, timings)
            timings.seconds[on_caller_thread].append(elapsed)
            self._decide(timings, shapes)
        return outputs

    def _way(self, on_caller_thread: bool) -> Run:
        if self._failure:
            raise RunError(self._failure)
        if on_caller_thread not in self._ways:
            try:
                self._ways[on_caller_thread] = self._make(on_caller_thread)
            except RunError as error:
                if isinstance(error.__cause__, _LASTING):
                    self._failure = str(error)
                raise
        return self._ways[on_caller_thread]

    def _decide(self, timings: _Timings, shapes: Tuple[Tuple[int, ...], ...]) -> None:
        if self._decided:
            return
        best = timings.best()
        self._decided = best is not None or len(self._timings) > _MAX_SHAPES
        if best is not None:
            caller, pool = best
            log.info(
                "%s runs %s: %.0f us on the caller's thread, %.0f us through the pool (feeds %s)",
                self._label,
                "on the caller's thread" if caller <= pool else "through the pool",
                caller * 1e6,
                pool * 1e6,
                ", ".join(str(list(shape)) for shape in shapes),
            )
            self._settle(self._way(caller <= pool))
        elif self._decided:
            log.info("%s runs on the caller's thread: no two calls had equal shapes", self._label)
            self._settle(self._way(True))
