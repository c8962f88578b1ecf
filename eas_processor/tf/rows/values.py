"""
The facts about a tensor before a run: whether it comes by row, and its size.

A dimension is a product of a number and named unknown sizes: `(3, ("rows",))` is three times the
rows of the request. None is an unknown size that does not depend on the rows.
"""

from typing import Any, NamedTuple, Optional, Tuple

Dim = Optional[Tuple[int, Tuple[str, ...]]]
Shape = Tuple[Dim, ...]

ROWS: Dim = (1, ("rows",))
ONE: Dim = (1, ())


class Rows(NamedTuple):
    """
    A tensor by row: its first dimension has the rows in order, each made of its own row alone.

    The first dimension may also be a multiple of the rows, with the same number for each row. No
    other dimension depends on the rows.
    """

    shape: Shape


class Across(NamedTuple):
    """A tensor by row whose rows are in dimension `axis`, which is not the first."""

    shape: Shape
    axis: int


class Listed(NamedTuple):
    """A list of `length` tensors, which does not depend on the rows; `item` is None if empty."""

    item: Any
    length: Dim


class Plain(NamedTuple):
    """
    A tensor that does not depend on the content of the rows.

    It depends on their number if `counts`. `shape` is None if the rank is unknown. `ints` are the
    numbers of a known scalar or list. `state` marks a variable or a table itself.
    """

    shape: Optional[Shape] = None
    ints: Optional[Shape] = None
    counts: bool = False
    state: bool = False


class Sized:
    """A tensor that comes by row if its first dimension is the number of rows; see `SIZED`."""


SIZED = Sized()
"""
A tensor that is cut into rows of unknown size.

If its first dimension equals the number of rows in two runs with different numbers, it does so in
all runs.
"""


class Row:
    """A tensor made of one row alone, in a loop with one round for each row; see `ROW`."""


ROW = Row()
"""A tensor made of the round's row and of values that no row changes; its shape may vary."""

Value = Any
"""One of the above, or None for a tensor of which nothing is known, or whose rows are mixed."""


def number(size: int) -> Dim:
    """Return the dimension with a known size."""
    return size, ()


def times(one: Dim, other: Dim) -> Dim:
    """Return the product of two dimensions, or None if one is unknown."""
    if one is None or other is None:
        return None
    return one[0] * other[0], tuple(sorted(one[1] + other[1]))


def product(dims: Shape) -> Dim:
    """Return the product of all dimensions, or None if one is unknown."""
    result: Dim = ONE
    for dim in dims:
        result = times(result, dim)
    return result


def divide(one: Dim, other: Dim) -> Dim:
    """Return the quotient of two dimensions, or None if it is not whole for every size."""
    if one is None or other is None or not other[0] or one[0] % other[0]:
        return None
    left = list(one[1])
    for name in other[1]:
        if name not in left:
            return None
        left.remove(name)
    return one[0] // other[0], tuple(left)


def size_of(dim: Dim) -> Optional[int]:
    """Return a dimension as a number, or None if it is not known."""
    return dim[0] if dim is not None and not dim[1] else None


def sizes_of(dims: Optional[Shape]) -> "Optional[Tuple[int, ...]]":
    """Return dimensions as numbers, or None if one is not known."""
    if dims is None or any(size_of(dim) is None for dim in dims):
        return None
    return tuple(dim[0] for dim in dims if dim is not None)


def by_rows(dim: Dim) -> bool:
    """Return whether a dimension depends on the number of rows."""
    return dim is not None and "rows" in dim[1]


def rows_of(shape: Optional[Shape], counts: bool = True) -> Value:
    """
    Return a tensor by row with that shape, or None if no tensor by row can have it.

    A shape that was computed from the number of rows (`counts`) must be fully known.
    """
    if not shape or shape[0] is None or shape[0][1].count("rows") != 1:
        return None
    if any(by_rows(dim) for dim in shape[1:]):
        return None
    if counts and None in shape:
        return None
    return Rows(shape)


def join(one: Value, other: Value) -> Value:
    """Return what is known of a tensor that may be either of two."""
    if one == other:
        return one
    if isinstance(one, Plain) and isinstance(other, Plain):
        return Plain(
            _same_dims(one.shape, other.shape),
            None,
            one.counts or other.counts,
            one.state or other.state,
        )
    if isinstance(one, Listed) and isinstance(other, Listed):
        length = one.length if one.length == other.length else None
        if one.item is None or other.item is None:
            return Listed(one.item or other.item, length)
        item = join(one.item, other.item)
        return None if item is None else Listed(item, length)
    if isinstance(one, Rows) and isinstance(other, Rows) and one.shape[0] == other.shape[0]:
        shape = _same_dims(one.shape, other.shape)
        return None if shape is None else Rows(shape)
    return None


def _same_dims(one: Optional[Shape], other: Optional[Shape]) -> Optional[Shape]:
    if one is None or other is None or len(one) != len(other):
        return None
    return tuple(mine if mine == theirs else None for mine, theirs in zip(one, other))


def fixed(value: Value) -> bool:
    """Return whether a tensor depends neither on the rows nor on their number."""
    return isinstance(value, Plain) and not value.counts


def integer(value: Value) -> int:
    """Return the number of a scalar. Raises ValueError if it is not known."""
    (single,) = integers(value)
    return single


def integers(value: Value) -> Tuple[int, ...]:
    """Return the numbers in a tensor. Raises ValueError if they are not known."""
    sizes = sizes_of(value.ints) if isinstance(value, Plain) else None
    if sizes is None:
        raise ValueError("not known")
    return sizes


def completed(source: Optional[Shape], target: Shape) -> Shape:
    """Return the target shape with its -1 replaced by the size, or by None if that is unknown."""
    rest = [at for at, dim in enumerate(target) if size_of(dim) == -1]
    if len(rest) != 1:
        return tuple(None if at in rest else dim for at, dim in enumerate(target))
    others = target[: rest[0]] + target[rest[0] + 1 :]
    size = None if source is None else divide(product(source), product(others))
    return target[: rest[0]] + (size,) + target[rest[0] + 1 :]
