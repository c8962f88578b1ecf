"""Run large batches in parts, and join the outputs."""

from typing import Any, List, Optional, Sequence

import numpy as np

from eas_processor.tf.run.model import Model
from eas_processor.tf.run.padding import add_rows
from eas_processor.tf.run.plans import Arrays, Plan
from eas_processor.tf.times import RunTimes


def allowed_rows(model: Model, rows: int) -> int:
    """Return the number of rows to which a run of `rows` is padded."""
    sizes = model.config.allowed_batch_sizes if rows else ()  # without rows, none can be repeated
    return next((size for size in sizes if size >= rows), rows)


def is_split(model: Model, rows: int) -> bool:
    """Return whether this many rows are run in parts if their outputs come by row."""
    return bool(model.splits_above) and rows > model.splits_above


def run_alone(
    model: Model, plan: Plan, arrays: Arrays, rows: int, times: RunTimes
) -> Sequence[Any]:
    """Run one request, in parts if it is large; return its values. Raises as `Model.run`."""
    if is_split(model, rows) and plan.proof.verdict(arrays):
        values = run_in_parts(model, plan, arrays, rows, times)
        if values is not None:
            return values
    whole = model.run(plan, arrays)
    times.rows.append(rows or 1)
    return whole


def run_whole(
    model: Model, plan: Plan, arrays: Arrays, rows: int, times: RunTimes
) -> Optional[Sequence[Any]]:
    """Run `rows` rows and padding; return the values, or None if they do not come by row."""
    total = allowed_rows(model, rows)
    values = model.run(plan, add_rows(arrays, total - rows))
    times.rows.append(rows or 1)
    return values if plan.proof.holds(values, total) else None


def run_in_parts(
    model: Model, plan: Plan, arrays: Arrays, rows: int, times: RunTimes
) -> Optional[Sequence[Any]]:
    """
    Run `rows` rows in parts, and return the joined values. Raises as `Model.run`.

    Returns None if the outputs cannot be joined, because they do not come by row, or because their
    trailing shapes differ between runs.
    """
    joined: List[Sequence[Any]] = []
    for start in range(0, rows, model.splits_above):
        size = min(model.splits_above, rows - start)
        part = [array[start : start + size] if array.ndim else array for array in arrays]
        values = run_whole(model, plan, part, size, times)
        if values is None:
            return None
        joined.append([value[:size] for value in values])
    columns = list(zip(*joined))
    if any(len({value.shape[1:] for value in column}) > 1 for column in columns):
        return None
    return [np.concatenate(column) for column in columns]
