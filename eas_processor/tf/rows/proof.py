"""
Whether requests may be joined by rows: only where every output is proven to come by row.

The proof is the graph's: each op on the way from what is fed to what is fetched keeps the rows, in
their order and each from its own row alone. Where a size is missing for that, two runs of different
numbers of rows settle it, each with as many rows in every output: a run of one request counts. An
output of another first dimension disproves it at once, and for good. Unproven requests run alone.
"""

import hashlib
import logging
import threading
from typing import Any, Dict, List, Optional, Sequence, Tuple

from eas_processor.tf.model.signatures import Shape
from eas_processor.tf.rows.graph import Follower, TooLarge
from eas_processor.tf.rows.values import ROWS, Dim, Plain, Rows, Sized, Value, number

log = logging.getLogger(__name__)

Key = Tuple[Any, ...]

# Trailing shapes and scalars with evidence of their own; a client chooses them.
_MAX_KEYS = 256


def count_rows(arrays: Sequence[Any]) -> Optional[int]:
    """Return the first dimension that all arrays but the scalars share, None when there is none."""
    rows = {array.shape[0] for array in arrays if array.ndim}
    return rows.pop() if len(rows) == 1 else None


class RowProof:
    """
    What is known of the outputs of one callable.

    `watches` tells that runs are evidence, so that `note` is to be called after each.
    """

    def __init__(
        self,
        follower: Follower,
        feeds: Sequence[Tuple[str, Optional[Shape]]],
        fetches: Sequence[str],
    ) -> None:
        self.watches = False
        self._follower = follower
        self._feeds = feeds
        self._fetches = fetches
        self._disproven = False
        # By the ranks of what is fed: proven, to be watched (None), or neither.
        self._verdicts: Dict[Tuple[int, ...], Optional[bool]] = {}
        self._seen: Dict[Key, int] = {}
        self._proven: Dict[Key, bool] = {}
        self._lock = threading.Lock()

    def verdict(self, arrays: Sequence[Any]) -> Optional[bool]:
        """Return whether requests like `arrays` may be joined, None when runs have to tell."""
        if self._disproven:
            return False
        ranks = tuple([array.ndim for array in arrays])
        if ranks not in self._verdicts:
            self._verdicts[ranks] = self._judge(ranks)
        verdict = self._verdicts[ranks]
        if verdict is None and self._proven:
            return self._proven.get(_key(arrays))
        return verdict

    def seen(self, arrays: Sequence[Any]) -> Optional[int]:
        """Return the number of rows of the run that is evidence so far, None when there is none."""
        return self._seen.get(_key(arrays))

    def note(self, arrays: Sequence[Any], values: Sequence[Any]) -> None:
        """Take the values that a run gave for `arrays` as evidence."""
        rows = count_rows(arrays)
        if rows is None:
            return
        if any(getattr(value, "shape", ())[:1] != (rows,) for value in values):
            self.disprove()
            return
        key = _key(arrays)
        with self._lock:
            if len(self._seen) >= _MAX_KEYS and key not in self._seen:
                self._seen.clear()
                self._proven.clear()
            if self._seen.setdefault(key, rows) != rows:
                self._proven[key] = True

    def disprove(self) -> None:
        """Let no requests be joined from now on."""
        self._disproven = True
        self.watches = False

    def _judge(self, ranks: Tuple[int, ...]) -> Optional[bool]:
        feeds = {
            name: _fed(at, shape, rank)
            for at, ((name, shape), rank) in enumerate(zip(self._feeds, ranks))
        }
        try:
            values = self._follower.values(feeds, self._fetches)
        except TooLarge:
            log.info("%s: not batched, for the graph is too large to be followed", self._label())
            return False
        except Exception:
            # Nothing is proven then, and the requests are not to blame.
            log.exception("%s: not batched, for the graph could not be followed", self._label())
            return False
        unproven = [
            name
            for name, value in zip(self._fetches, values)
            if not isinstance(value, Rows) or value.shape[0] != ROWS
        ]
        if not unproven:
            return True
        if all(
            isinstance(value, Sized) or name not in unproven
            for name, value in zip(self._fetches, values)
        ):
            self.watches = not self._disproven
            return None
        log.info(
            "%s: not batched, for these outputs cannot be shown to come by row: %s",
            self._label(),
            ", ".join(unproven),
        )
        return False

    def _label(self) -> str:
        return ", ".join(self._fetches)


def _fed(place: int, shape: Optional[Shape], rank: int) -> Value:
    """Return what is known of something fed; `shape` is what the model declares, if it is held."""
    if not rank:
        return Plain(())
    dims: List[Dim] = [(1, (f"{place}.{at}",)) for at in range(rank)]
    if shape is not None and len(shape) == rank:
        dims = [dim if size < 0 else number(size) for dim, size in zip(dims, shape)]
    return Rows((ROWS, *dims[1:]))


def _key(arrays: Sequence[Any]) -> Key:
    return tuple([array.shape[1:] if array.ndim else _digest(scalar(array)) for array in arrays])


def _digest(value: Any) -> Any:
    # What is kept must not be as long as what a client sends.
    return hashlib.sha256(value).digest() if isinstance(value, bytes) else value


def scalar(array: Any) -> Any:
    """Return the value of a scalar in a form that can be compared."""
    return array.item() if array.dtype == object else array.tobytes()
