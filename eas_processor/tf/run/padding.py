"""
Rows and lengths that are added to what requests bring, so that it fits into one run.

Lengths change what a model computes. They are added only with `pad_variable_length_inputs`, and
only where the signature leaves the length open.
"""

from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

from eas_processor.tf.model.signatures import shape_fits
from eas_processor.tf.run.members import Member, alone
from eas_processor.tf.run.plans import Arrays, Plan

# Many rows of one value beside one row of many make a table of both: two requests of 400 KB would
# come to 40 GB. What has to grow beyond both of these runs apart.
_FREE_BYTES = 16 << 20
_MOST_TIMES = 8


def add_rows(arrays: Arrays, rows: int) -> Arrays:
    """Return arrays whose last row comes `rows` more times: any other might be out of range."""
    if not rows:
        return arrays
    return [
        np.concatenate([array, np.repeat(array[-1:], rows, axis=0)]) if array.ndim else array
        for array in arrays
    ]


def may_be_lengthened(plan: Plan, arrays: Arrays) -> bool:
    """Tell whether arrays have a value to be lengthened by, and are what the signature declares."""
    return all(
        array.size and shape_fits(spec.shape, array.shape)
        for spec, array in zip(plan.inputs, arrays)
    )


def differ(members: Sequence[Member]) -> bool:
    """Tell whether arrays of these members have other trailing shapes than those of the first."""
    first = _trailing(members[0])
    return any(_trailing(member) != first for member in members[1:])


def by_shape(members: Sequence[Member]) -> List[List[Member]]:
    """Return the members of each trailing shape, in the order of their first ones."""
    groups: Dict[Any, List[Member]] = {}
    for member in members:
        groups.setdefault(_trailing(member), []).append(member)
    return list(groups.values())


def lengthened(members: List[Member]) -> List[Member]:
    """
    Return each request with arrays of the largest trailing sizes of all.

    What is added to an array is its own first element, as TensorFlow Serving has it. None are
    returned where that would take far more memory than what came.
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
    return bool(grown > _FREE_BYTES and grown > _MOST_TIMES * came)


def _grow(array: Any, sizes: Tuple[int, ...]) -> Any:
    if array.shape[1:] == sizes:
        return array
    grown = np.full((len(array),) + sizes, array.flat[0], array.dtype)
    grown[tuple([slice(size) for size in array.shape])] = array
    return grown
