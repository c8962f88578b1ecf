"""The rules for ops that read or change shapes; see `rules`."""

from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from eas_processor.tf.rows.loops import listed
from eas_processor.tf.rows.values import (
    ONE,
    SIZED,
    Across,
    Dim,
    Listed,
    Plain,
    Rows,
    Value,
    completed,
    divide,
    fixed,
    integer,
    integers,
    join,
    number,
    product,
    rows_of,
    size_of,
    sizes_of,
    times,
)

Rule = Callable[[Any, List[Value]], Value]


def parts(node: Any, ins: List[Value]) -> Tuple[List[Value], Value]:
    """Return the values that a concatenation joins, and its axis."""
    return (ins[1:], ins[0]) if node.type == "Concat" else (ins[:-1], ins[-1])


def _axis(axis: int, rank: int) -> int:
    """Return a non-negative axis. Raises ValueError if it is the axis of the rows, or none."""
    at = axis + rank if axis < 0 else axis
    if not 0 < at < rank:
        raise ValueError("not an axis within a row")
    return at


def shape_of(_: Any, ins: List[Value]) -> Value:
    """Return the value of `Shape`: the list of sizes."""
    shape = ins[0].shape
    if shape is None:
        return None
    counts = not isinstance(ins[0], Plain) or ins[0].counts
    return Plain((number(len(shape)),), shape, counts)


def _rank(_: Any, ins: List[Value]) -> Value:
    return None if ins[0].shape is None else Plain((), (number(len(ins[0].shape)),))


def whole_size(_: Any, ins: List[Value]) -> Value:
    """Return the value of `Size`: the number of elements."""
    if ins[0].shape is None:
        return None
    counts = not isinstance(ins[0], Plain) or ins[0].counts
    return Plain((), (product(ins[0].shape),), counts)


def _reshape(_: Any, ins: List[Value]) -> Value:
    tensor, target = ins
    if not isinstance(tensor, Rows) or not isinstance(target, Plain):
        return None
    if target.ints is None:
        return SIZED if fixed(target) else None
    if target.counts and None in target.ints:
        return None
    shape = completed(tensor.shape, target.ints)
    if shape[0] is None:
        return SIZED if fixed(target) else None
    # The rows stay in order if the first dimension is unchanged, or if all sizes are known.
    known = None not in shape and product(shape) == product(tensor.shape)
    return rows_of(shape, False) if known or shape[0] == tensor.shape[0] else None


def _strided_slice(node: Any, ins: List[Value]) -> Value:
    tensor = ins[0]
    if not isinstance(tensor, (Rows, Across)):
        return None
    rows_at = tensor.axis if isinstance(tensor, Across) else 0
    begin, end, strides = (integers(each) for each in ins[1:])
    shape: List[Dim] = []
    axis = -1
    for place, at in _places(node, len(begin), len(tensor.shape)):
        if at is None:
            shape.append(ONE)
            continue
        part = _part(node, place, begin, end, strides)
        if at == rows_at:
            if part != slice(None, None, 1):
                return None
            axis = len(shape)
        if part is not None:
            shape.append(_sliced(tensor.shape[at], part))
    return Rows(tuple(shape)) if axis == 0 else Across(tuple(shape), axis)


def _places(node: Any, count: int, rank: int) -> Iterator[Tuple[int, Optional[int]]]:
    """Yield pairs of a place in the slices, or -1, and an axis of the tensor, or None if new."""
    dots, new = node.attr("ellipsis_mask", 0), node.attr("new_axis_mask", 0)
    at = 0
    for place in range(count):
        if dots >> place & 1:
            later = sum(1 for each in range(place + 1, count) if not new >> each & 1)
            for axis in range(at, rank - later):
                yield -1, axis
            at = rank - later
        elif new >> place & 1:
            yield place, None
        else:
            yield place, at
            at += 1
    for axis in range(at, rank):
        yield -1, axis


def _part(
    node: Any, place: int, begin: Sequence[int], end: Sequence[int], strides: Sequence[int]
) -> Optional[slice]:
    """Return the slice along one axis, or None if it is a single index."""
    if place < 0:
        return slice(None, None, 1)
    bit = 1 << place
    if node.attr("shrink_axis_mask", 0) & bit:
        return None
    stride = strides[place]
    starts = node.attr("begin_mask", 0) & bit or (stride == 1 and begin[place] == 0)
    first = None if starts else begin[place]
    return slice(first, None if node.attr("end_mask", 0) & bit else end[place], stride)


def _sliced(dim: Dim, part: slice) -> Dim:
    if part == slice(None, None, 1):
        return dim
    size = size_of(dim)
    return None if size is None else number(len(range(*part.indices(size))))


def _slice(_: Any, ins: List[Value]) -> Value:
    tensor = ins[0]
    begin = integers(ins[1])
    if not isinstance(tensor, Rows) or begin[0] != 0 or ins[2].ints is None:
        return None
    first, *others = ins[2].ints
    if size_of(first) != -1 and first != tensor.shape[0]:
        return None
    shape = [tensor.shape[0]]
    for dim, start, size in zip(tensor.shape[1:], begin[1:], others):
        whole = size_of(size) == -1
        shape.append((dim if not start else None) if whole else size)
    return rows_of(tuple(shape), ins[2].counts)


def _gather(node: Any, ins: List[Value]) -> Value:
    params, indices = ins[0], ins[1]
    axis = integer(ins[2]) if len(ins) > 2 else 0
    batch = node.attr("batch_dims", 0)
    if fixed(params) and isinstance(indices, Rows) and axis == 0 and batch == 0:
        return SIZED if params.shape is None else Rows(indices.shape + params.shape[1:])
    if not isinstance(params, Rows) or axis < 1:
        return None
    if isinstance(indices, Rows):
        if not 1 <= batch <= axis or params.shape[0] != indices.shape[0]:
            return None
    elif not fixed(indices) or batch or indices.shape is None:
        return None
    return Rows(params.shape[:axis] + indices.shape[batch:] + params.shape[axis + 1 :])


def _concat(node: Any, ins: List[Value]) -> Value:
    pieces, axis = parts(node, ins)
    first = pieces[0]
    if not all(isinstance(each, Rows) for each in pieces):
        return None
    rank = len(first.shape)
    if any(len(each.shape) != rank or each.shape[0] != first.shape[0] for each in pieces):
        return None
    at = _axis(integer(axis), rank)
    sizes = sizes_of(tuple(each.shape[at] for each in pieces))
    joined = None if sizes is None else number(sum(sizes))
    return Rows(first.shape[:at] + (joined,) + first.shape[at + 1 :])


def _pack(node: Any, ins: List[Value]) -> Value:
    if not all(isinstance(each, Rows) and each.shape == ins[0].shape for each in ins):
        return None
    at = _axis(node.attr("axis", 0), len(ins[0].shape) + 1)
    return Rows(ins[0].shape[:at] + (number(len(ins)),) + ins[0].shape[at:])


def _unpack(node: Any, ins: List[Value]) -> Value:
    at = _axis(node.attr("axis", 0), len(ins[0].shape))
    return Rows(ins[0].shape[:at] + ins[0].shape[at + 1 :]) if isinstance(ins[0], Rows) else None


def _split(node: Any, ins: List[Value]) -> Value:
    tensor, axis = (ins[0], ins[2]) if node.type == "SplitV" else (ins[1], ins[0])
    if not isinstance(tensor, Rows):
        return None
    at = _axis(integer(axis), len(tensor.shape))
    each = None
    if node.type == "Split":
        each = divide(tensor.shape[at], number(node.attr("num_split", 0)))
    return Rows(tensor.shape[:at] + (each,) + tensor.shape[at + 1 :])


def _expand(_: Any, ins: List[Value]) -> Value:
    if not isinstance(ins[0], Rows):
        return None
    at = _axis(integer(ins[1]), len(ins[0].shape) + 1)
    return Rows(ins[0].shape[:at] + (ONE,) + ins[0].shape[at:])


def _squeeze(node: Any, ins: List[Value]) -> Value:
    # Without a list it removes each dimension of size 1, even the rows of a single request.
    if not isinstance(ins[0], Rows) or not node.attr("squeeze_dims", []):
        return None
    rank = len(ins[0].shape)
    gone = {_axis(axis, rank) for axis in node.attr("squeeze_dims", [])}
    return Rows(tuple(dim for at, dim in enumerate(ins[0].shape) if at not in gone))


def _reduce(node: Any, ins: List[Value]) -> Value:
    if not isinstance(ins[0], Rows):
        return None
    rank = len(ins[0].shape)
    gone = {_axis(axis, rank) for axis in integers(ins[1])}
    keep = node.attr("keep_dims", False)
    kept = [ONE if at in gone else dim for at, dim in enumerate(ins[0].shape)]
    return Rows(tuple(dim for at, dim in enumerate(kept) if keep or at not in gone))


def _within_rows(_: Any, ins: List[Value]) -> Value:
    """Return the output of an op along the axes of its second input, which keeps the shape."""
    rank = len(ins[0].shape)
    rows_at = ins[0].axis if isinstance(ins[0], Across) else 0
    axes = [axis + rank if axis < 0 else axis for axis in integers(ins[1])]
    return None if rows_at in axes or not isinstance(ins[0], (Rows, Across)) else ins[0]


def _transpose(_: Any, ins: List[Value]) -> Value:
    order = list(integers(ins[1]))
    if len(order) != len(ins[0].shape):
        return None
    shape = tuple(ins[0].shape[at] for at in order)
    axis = order.index(ins[0].axis if isinstance(ins[0], Across) else 0)
    return Rows(shape) if axis == 0 else Across(shape, axis)


def _tile(_: Any, ins: List[Value]) -> Value:
    multiples = ins[1].ints
    if not isinstance(ins[0], Rows) or not multiples or multiples[0] != ONE:
        return None
    return rows_of(tuple(map(times, ins[0].shape, multiples)), ins[1].counts)


def _broadcast_to(_: Any, ins: List[Value]) -> Value:
    target = ins[1].ints
    if target is None or len(target) != len(ins[0].shape) or target[0] != ins[0].shape[0]:
        return None
    return rows_of(target) if isinstance(ins[0], Rows) else None


def _pad(_: Any, ins: List[Value]) -> Value:
    paddings = integers(ins[1])
    if not isinstance(ins[0], Rows) or paddings[:2] != (0, 0):
        return None
    if not all(fixed(each) for each in ins[1:]):
        return None
    shape: List[Dim] = [ins[0].shape[0]]
    for at, dim in enumerate(ins[0].shape[1:], 1):
        size: Optional[int] = size_of(dim)
        shape.append(None if size is None else number(size + sum(paddings[2 * at : 2 * at + 2])))
    return Rows(tuple(shape))


def _list_of(node: Any, ins: List[Value]) -> Value:
    """Return a list of steps, from a tensor with the rows in its second dimension."""
    across = isinstance(ins[0], Across) and ins[0].axis == 1
    return Listed(Rows(ins[0].shape[1:]), ins[0].shape[0]) if across else listed(node, ins)


def _set_item(_: Any, ins: List[Value]) -> Value:
    steps, index, item = ins
    if not isinstance(steps, Listed) or not fixed(index) or not isinstance(item, Rows):
        return None
    return join(steps, Listed(item, steps.length))


def _get_item(_: Any, ins: List[Value]) -> Value:
    return ins[0].item if isinstance(ins[0], Listed) and fixed(ins[1]) else None


def _stack_list(_: Any, ins: List[Value]) -> Value:
    steps = ins[0]
    if not isinstance(steps, Listed) or not isinstance(steps.item, Rows):
        return None
    return Across((steps.length, *steps.item.shape), 1)


_REDUCTIONS = "Sum", "Mean", "Max", "Min", "Prod", "All", "Any", "EuclideanNorm", "ArgMax", "ArgMin"

SHAPE_RULES: Dict[str, Rule] = {
    **dict.fromkeys(_REDUCTIONS, _reduce),
    **dict.fromkeys(["Gather", "GatherV2", "ResourceGather"], _gather),
    **dict.fromkeys(["Concat", "ConcatV2"], _concat),
    **dict.fromkeys(["Split", "SplitV"], _split),
    **dict.fromkeys(["Pad", "PadV2", "MirrorPad"], _pad),
    **dict.fromkeys(["Cumsum", "Cumprod", "ReverseV2"], _within_rows),
    "BroadcastTo": _broadcast_to,
    "ExpandDims": _expand,
    "Pack": _pack,
    "Rank": _rank,
    "Reshape": _reshape,
    "Shape": shape_of,
    "Size": whole_size,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "StridedSlice": _strided_slice,
    "TensorListFromTensor": _list_of,
    "TensorListGetItem": _get_item,
    "TensorListSetItem": _set_item,
    "TensorListStack": _stack_list,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unpack": _unpack,
}
