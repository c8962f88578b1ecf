"""
The rules for ops whose inputs do not depend on the content of rows: shapes, sizes, weights.

Such inputs are `Plain`. The numbers of shapes are followed one by one, because they may decide
later which dimension of a reshape holds the rows.
"""

from typing import Any, Callable, Dict, List, Optional

from eas_processor.tf.rows.loops import reserved
from eas_processor.tf.rows.shapes import parts, shape_of, whole_size
from eas_processor.tf.rows.values import (
    ONE,
    Listed,
    Plain,
    Shape,
    Value,
    by_rows,
    completed,
    divide,
    fixed,
    integer,
    integers,
    number,
    product,
    rows_of,
    sizes_of,
    times,
)

Rule = Callable[[Any, List[Value]], Value]

INTEGERS = (3, 9)
"""The dtypes of sizes and axes: DT_INT32 and DT_INT64."""


def _slice_of_ints(node: Any, ins: List[Value]) -> Value:
    """Return a part of a shape, such as its first dimension."""
    if ins[0].ints is None or ins[0].shape == ():
        return None
    ((begin,), (end,), (stride,)) = (integers(each) for each in ins[1:])
    if node.attr("new_axis_mask", 0) or node.attr("ellipsis_mask", 0):
        return None
    if node.attr("shrink_axis_mask", 0):
        return _numbers((), (ins[0].ints[begin],), ins[0].counts)
    first = None if node.attr("begin_mask", 0) else begin
    last = None if node.attr("end_mask", 0) else end
    return _vector(ins[0].ints[first:last:stride], ins[0].counts)


def _numbers(shape: Optional[Shape], ints: Shape, counts: bool) -> Plain:
    """Return known numbers; `counts` tells whether some may depend on the number of rows."""
    return Plain(shape, ints, counts and any(dim is None or by_rows(dim) for dim in ints))


def _vector(ints: Shape, counts: bool) -> Plain:
    return _numbers((number(len(ints)),), ints, counts)


def _gather_ints(node: Any, ins: List[Value]) -> Value:
    if node.attr("batch_dims", 0) or (len(ins) > 2 and integer(ins[2])):
        return None
    if ins[0].ints is None or ins[0].shape == () or sizes_of(ins[1].ints) is None:
        counts = ins[0].counts or ins[1].counts
        return Plain(ins[1].shape + ins[0].shape[1:], None, counts)
    picked = tuple(ins[0].ints[at] for at in integers(ins[1]))
    return _numbers(ins[1].shape, picked, ins[0].counts)


def _concat_ints(node: Any, ins: List[Value]) -> Value:
    pieces, _ = parts(node, ins)
    if any(each.ints is None or each.shape is None or len(each.shape) != 1 for each in pieces):
        return None
    ints = tuple(dim for each in pieces for dim in each.ints)
    return _vector(ints, any(each.counts for each in pieces))


def _pack_ints(_: Any, ins: List[Value]) -> Value:
    if any(each.ints is None or each.shape != () for each in ins):
        return None
    return _vector(tuple(each.ints[0] for each in ins), any(each.counts for each in ins))


def _reshape_plain(_: Any, ins: List[Value]) -> Value:
    if ins[1].ints is None:
        return None
    shape = completed(ins[0].shape, ins[1].ints)
    counts = ins[0].counts or ins[1].counts
    return Plain(shape, ins[0].ints if len(shape) < 2 else None, counts)


def _expand_plain(_: Any, ins: List[Value]) -> Value:
    if ins[0].shape is None:
        return None
    rank = len(ins[0].shape) + 1
    at = integer(ins[1]) % rank
    shape = ins[0].shape[:at] + (ONE,) + ins[0].shape[at:]
    return Plain(shape, ins[0].ints if rank == 1 else None, ins[0].counts)


def _squeeze_plain(node: Any, ins: List[Value]) -> Value:
    rank = len(ins[0].shape)
    gone = {axis % rank for axis in node.attr("squeeze_dims", [])}
    if not gone:
        return None
    shape = tuple(dim for at, dim in enumerate(ins[0].shape) if at not in gone)
    return Plain(shape, ins[0].ints if rank == 1 else None, ins[0].counts)


def _split_plain(node: Any, ins: List[Value]) -> Value:
    shape = ins[1].shape
    at = integer(ins[0]) % len(shape)
    each = divide(shape[at], number(node.attr("num_split", 0)))
    return Plain(shape[:at] + (each,) + shape[at + 1 :], None, ins[1].counts)


def _product(node: Any, ins: List[Value]) -> Value:
    if ins[0].ints is None or node.attr("keep_dims", False) or integers(ins[1]) != (0,):
        return None
    return _numbers((), (product(ins[0].ints),), ins[0].counts)


def multiplied(ins: List[Value]) -> Value:
    """Return the product of two known scalars."""
    one, other = ins
    counts = one.counts or other.counts
    return _numbers((), (times(one.ints[0], other.ints[0]),), counts)


def _tile_plain(_: Any, ins: List[Value]) -> Value:
    if ins[0].shape is None or ins[0].counts or ins[1].ints is None:
        return None
    # The unknown sizes of such a tensor do not depend on the rows.
    return rows_of(tuple(map(times, ins[0].shape, ins[1].ints)), None in ins[1].ints)


def _broadcast_plain(_: Any, ins: List[Value]) -> Value:
    shape, target = ins[0].shape, ins[1].ints
    if shape is None or target is None or ins[0].counts:
        return None
    if not ins[1].counts:
        return Plain(target)
    return rows_of(target) if len(shape) < len(target) or shape[0] == ONE else None


def _fill(_: Any, ins: List[Value]) -> Value:
    dims, value = ins
    if dims.ints is None or value.counts:
        return None
    return Plain(dims.ints) if not dims.counts else rows_of(dims.ints)


def _same_ints(_: Any, ins: List[Value]) -> Value:
    return ins[0]


def _cast_ints(node: Any, ins: List[Value]) -> Value:
    kept = ins[0].ints if node.attr("DstT", 0) in INTEGERS else None
    return Plain(ins[0].shape, kept, ins[0].counts)


def _range(_: Any, ins: List[Value]) -> Value:
    if all(sizes_of(each.ints) for each in ins):
        return Plain((number(len(range(*map(integer, ins)))),))
    return Plain((None,), None, any(each.counts for each in ins))


def _read(_: Any, ins: List[Value]) -> Value:
    return Plain(ins[0].shape)


def _empty_list(node: Any, ins: List[Value]) -> Value:
    if not fixed(ins[1]):
        return reserved(node, ins)
    return Listed(None, ins[1].ints[0] if ins[1].ints else None)


PLAIN_RULES: Dict[str, Rule] = {
    **dict.fromkeys(
        ["Identity", "StopGradient", "EnsureShape", "PlaceholderWithDefault"], _same_ints
    ),
    **dict.fromkeys(["Gather", "GatherV2"], _gather_ints),
    **dict.fromkeys(["Concat", "ConcatV2"], _concat_ints),
    "BroadcastTo": _broadcast_plain,
    "Cast": _cast_ints,
    "ExpandDims": _expand_plain,
    "Fill": _fill,
    "Pack": _pack_ints,
    "Prod": _product,
    "Range": _range,
    "ReadVariableOp": _read,
    "Reshape": _reshape_plain,
    "Shape": shape_of,
    "Size": whole_size,
    "Split": _split_plain,
    "Squeeze": _squeeze_plain,
    "StridedSlice": _slice_of_ints,
    "TensorListReserve": _empty_list,
    "Tile": _tile_plain,
}
"""Rules for ops whose inputs are all `Plain`. Any other op returns a `Plain` without details."""
