"""
Pad the rows and trailing sizes of arrays, so that requests fit into one run.

Padding trailing sizes may change the results of a model. It is done only with
`pad_variable_length_inputs`, and only in dimensions whose size the signature leaves open.
"""

from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

from eas_processor.tf.model.signatures import shape_fits
from eas_processor.tf.run.members import Member, alone
from eas_processor.tf.run.plans import Arrays, Plan

# Padding multiplies: many short rows and one long row, in two requests of 400 KB, would take 40 GB.
# Requests whose arrays would grow beyond both of these limits are not joined.
_FREE_BYTES = 16 << 20
_MAX_GROWTH = 8


def add_rows(arrays: Arrays, rows: int) -> Arrays:
    """Append `rows` copies of the last row, because made-up rows might be out of range."""
    if not rows:
        return arrays
    return [
        np.concatenate([array, np.repeat(array[-1:], rows, axis=0)]) if array.ndim else array
        for array in arrays
    ]


def may_be_padded(plan: Plan, arrays: Arrays) -> bool:
    """Return whether arrays may be padded: not empty, and of the declared shapes."""
    return all(
        array.size and shape_fits(spec.shape, array.shape)
        for spec, array in zip(plan.inputs, arrays)
    )


def shapes_differ(members: Sequence[Member]) -> bool:
    """Return whether the members have different trailing shapes."""
    first = _trailing(members[0])
    return any(_trailing(member) != first for member in members[1:])


def by_shape(members: Sequence[Member]) -> List[List[Member]]:
    """Group members by trailing shape, in order of first appearance."""
    groups: Dict[Any, List[Member]] = {}
    for member in members:
        groups.setdefault(_trailing(member), []).append(member)
    return list(groups.values())


def pad_lengths(members: List[Member]) -> List[Member]:
    """
    Pad the arrays of each request to the largest trailing sizes of all requests.

    An array is padded with its own first element, as in TensorFlow Serving. Returns an empty list
    if the padded arrays would take far more memory than the requests.
    """
    each_alone = alone(members)
    columns = list(zip(*(member.arrays for member in each_alone)))
    sizes = [_largest(column) for column in columns]
    if any(_is_excessive(column, size) for column, size in zip(columns, sizes)):
        return []
    return [
        member.with_arrays([_grow(array, size) for array, size in zip(member.arrays, sizes)])
        for member in each_alone
    ]


def _trailing(member: Member) -> Tuple[Tuple[int, ...], ...]:
    return tuple([array.shape[1:] for array in member.arrays])


def _largest(column: Sequence[Any]) -> Tuple[int, ...]:
    return tuple([max(each) for each in zip(*(array.shape[1:] for array in column))])


def _is_excessive(column: Sequence[Any], sizes: Tuple[int, ...]) -> bool:
    if not column[0].ndim:
        return False
    came = sum([array.nbytes for array in column])
    grown = sum([len(array) for array in column]) * column[0].itemsize
    for size in sizes:
        grown *= size
    return bool(grown > _FREE_BYTES and grown > _MAX_GROWTH * came)


def _grow(array: Any, sizes: Tuple[int, ...]) -> Any:
    if array.shape[1:] == sizes:
        return array
    grown = np.full((len(array),) + sizes, array.flat[0], array.dtype)
    grown[tuple([slice(size) for size in array.shape])] = array
    return grown
