"""
Decide whether requests may be joined by rows: only if every output is proven to come by row.

The graph is the proof: each op between the feeds and the fetches keeps the rows in order, and makes
each row of its own row alone. If only a size is unknown, two runs with different numbers of rows
complete the proof, if every output has as many rows as the run. Runs of single requests count. An
output with another first dimension disproves it at once, and for good. Unproven requests run alone.

The owner of a model may state what the graph does not show (`outputs_by_row`). Each run is then
checked, and an output with another first dimension disproves the statement, too. The figures are in
docs/decisions/proof-of-rows.md.
"""

import hashlib
import logging
import threading
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from eas_processor.tf.model.signatures import Shape
from eas_processor.tf.rows.graph import Follower, TooLarge
from eas_processor.tf.rows.values import ROWS, Dim, Plain, Rows, Sized, Value, number
from eas_wire.text import list_names, quote

log = logging.getLogger(__name__)

Key = Tuple[Any, ...]

# The most combinations of ranks, trailing shapes and scalars that are kept. Clients choose them.
_MAX_KEYS = 256


def count_rows(arrays: Sequence[Any]) -> Optional[int]:
    """Return the first dimension that all arrays except scalars share, or None."""
    rows = {array.shape[0] for array in arrays if array.ndim}
    return rows.pop() if len(rows) == 1 else None


class Fetch(NamedTuple):
    """
    An output: its tensor, and its name in requests.

    `by_row` is the statement of `outputs_by_row`, or None if the proof decides.
    """

    tensor: str
    name: str
    by_row: Optional[bool] = None


class RowProof:
    """
    The proof for the outputs of one callable, which messages call `label`.

    `watches` tells whether runs are evidence, so that `note` must be called after each.
    """

    def __init__(
        self,
        follower: Follower,
        feeds: Sequence[Tuple[str, Optional[Shape]]],
        fetches: Sequence[Fetch],
        label: str,
    ) -> None:
        self.watches = any(fetch.by_row for fetch in fetches)
        self._follower = follower
        self._feeds = feeds
        self._fetches = fetches
        self._label = label
        self._has_said_why = False
        self._disproven = False
        # By the ranks of the feeds: proven (True), refuted (False), or decided by runs (None).
        self._verdicts: Dict[Tuple[int, ...], Optional[bool]] = {}
        self._seen: Dict[Key, int] = {}
        self._proven: Dict[Key, bool] = {}
        self._lock = threading.Lock()

    def verdict(self, arrays: Sequence[Any]) -> Optional[bool]:
        """Return whether requests like `arrays` may be joined, or None if runs must tell."""
        if self._disproven:
            return False
        ranks = tuple([array.ndim for array in arrays])
        try:
            verdict = self._verdicts[ranks]
        except KeyError:
            verdict = self._judge(ranks)
            with self._lock:
                if len(self._verdicts) >= _MAX_KEYS:
                    self._verdicts.clear()
                self._verdicts[ranks] = verdict
        if verdict is None and self._proven:
            return self._proven.get(_key(arrays))
        return verdict

    def seen(self, arrays: Sequence[Any]) -> Optional[int]:
        """Return the number of rows of the first run that is evidence, or None without one."""
        return self._seen.get(_key(arrays))

    def note(self, arrays: Sequence[Any], values: Sequence[Any]) -> None:
        """Take the values of a run of `arrays` as evidence."""
        rows = count_rows(arrays)
        if rows is None or not self.holds(values, rows):
            return
        if self._verdicts.get(tuple([array.ndim for array in arrays])):
            return
        key = _key(arrays)
        with self._lock:
            if len(self._seen) >= _MAX_KEYS and key not in self._seen:
                self._seen.clear()
                self._proven.clear()
            if self._seen.setdefault(key, rows) != rows:
                self._proven[key] = True

    def holds(self, values: Sequence[Any], rows: int) -> bool:
        """Return whether each output has this many rows; if not, no requests are joined again."""
        for fetch, value in zip(self._fetches, values):
            shape = getattr(value, "shape", ())
            if shape[:1] != (rows,):
                self._disprove(fetch, shape, rows)
                return False
        return True

    def _disprove(self, fetch: Fetch, shape: Sequence[int], rows: int) -> None:
        first, self._disproven = not self._disproven, True
        self.watches = False
        if first:
            log.log(
                logging.WARNING if fetch.by_row else logging.INFO,
                "%s: not batched from now on, because output %s has shape %s in a run of %d rows%s",
                self._label,
                quote(fetch.name),
                list(shape),
                rows,
                ", although model_config.outputs_by_row says that it comes by row"
                if fetch.by_row
                else "",
            )

    def _judge(self, ranks: Tuple[int, ...]) -> Optional[bool]:
        if any(fetch.by_row is False for fetch in self._fetches):
            self._say_why("not batched, because of model_config.outputs_by_row")
            return False
        asked = [fetch for fetch in self._fetches if fetch.by_row is None]
        values = self._follow(ranks, asked) if asked else []
        if values is None:
            return False
        unproven = {
            fetch.name: value
            for fetch, value in zip(asked, values)
            if not isinstance(value, Rows) or value.shape[0] != ROWS
        }
        measured = all(isinstance(value, Sized) for value in unproven.values())
        if not measured:
            self._say_why(
                "not batched, because these outputs are not proven to come by row: %s; exclude "
                "them by output_filter, or name them in model_config.outputs_by_row if they do",
                list_names(unproven),
            )
            return False
        if not unproven:
            return True
        self.watches = not self._disproven
        return None

    def _follow(self, ranks: Tuple[int, ...], asked: Sequence[Fetch]) -> Optional[List[Value]]:
        feeds = {
            name: _fed(at, shape, rank)
            for at, ((name, shape), rank) in enumerate(zip(self._feeds, ranks))
        }
        try:
            return self._follower.values(feeds, [fetch.tensor for fetch in asked])
        except TooLarge:
            self._say_why("not batched, because the graph is too large to be followed")
        except Exception:
            # Without a proof, requests still run alone.
            self._say_why("not batched, because the graph could not be followed", exc_info=True)
        return None

    def _say_why(self, sentence: str, *values: str, exc_info: bool = False) -> None:
        # Only once: a client chooses the ranks, and could fill the log.
        if not self._has_said_why:
            self._has_said_why = True
            level = logging.ERROR if exc_info else logging.INFO
            log.log(level, "%s: " + sentence, self._label, *values, exc_info=exc_info)  # noqa: G003


def _fed(place: int, shape: Optional[Shape], rank: int) -> Value:
    """Return what is known of a feed; `shape` is the declared one, if requests must have it."""
    if not rank:
        return Plain(())
    dims: List[Dim] = [(1, (f"{place}.{at}",)) for at in range(rank)]
    if shape is not None and len(shape) == rank:
        dims = [dim if size < 0 else number(size) for dim, size in zip(dims, shape)]
    return Rows((ROWS, *dims[1:]))


def _key(arrays: Sequence[Any]) -> Key:
    return tuple([array.shape[1:] if array.ndim else _digest(scalar(array)) for array in arrays])


def _digest(value: Any) -> Any:
    # A digest, because a client's value may be long.
    return hashlib.sha256(value).digest() if isinstance(value, bytes) else value


def scalar(array: Any) -> Any:
    """Return the value of a scalar in a comparable form."""
    return array.item() if array.dtype == object else array.tobytes()
