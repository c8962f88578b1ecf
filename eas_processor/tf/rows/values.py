"""
What is known of a tensor before a run: whether it comes by row, and how large it is.

A dimension is a product: a number and the names of unknown sizes, `(3, ("rows",))` for three times
the rows of the request; None is a size that is not known, but does not depend on the rows.
"""

from typing import Any, NamedTuple, Optional, Tuple

Dim = Optional[Tuple[int, Tuple[str, ...]]]
Shape = Tuple[Dim, ...]

ROWS: Dim = (1, ("rows",))
ONE: Dim = (1, ())


class Rows(NamedTuple):
    """
    A tensor whose first dimension holds the rows, in order, each made of its own row alone.

    The first dimension may also be a multiple of the rows, equally many for each of them; no other
    depends on the rows.
    """

    shape: Shape


class Across(NamedTuple):
    """The same with the rows in dimension `axis`, which is not the first."""

    shape: Shape
    axis: int


class Listed(NamedTuple):
    """A list of `length` tensors, whatever the rows are; `item` is None while none was put in."""

    item: Any
    length: Dim


class Plain(NamedTuple):
    """
    A tensor that what is in the rows does not change; it depends on their number if `counts`.

    `shape` is None when not even the rank is known. `ints` are the numbers in it, where it is a
    scalar or a list of those. `state` marks a variable or a table itself.
    """

    shape: Optional[Shape] = None
    ints: Optional[Shape] = None
    counts: bool = False
    state: bool = False


class Sized:
    """A tensor by row, or not, as its first dimension tells once it is seen; see `SIZED`."""


SIZED = Sized()
"""
Cut into rows of a size that is not known: its first dimension is the number of rows for two
different numbers only if it is for all.
"""


class Row:
    """A tensor made of one row alone, in a loop that goes round once for each; see `ROW`."""


ROW = Row()
"""Made of the row of the round, and of what no row changes. Its shape may differ by round."""

Value = Any
"""One of the above; None is a tensor of which nothing is known, or whose rows are mixed."""


def number(size: int) -> Dim:
    """Return a dimension of that size."""
    return size, ()


def times(one: Dim, other: Dim) -> Dim:
    """Return the product of two dimensions."""
    if one is None or other is None:
        return None
    return one[0] * other[0], tuple(sorted(one[1] + other[1]))


def product(dims: Shape) -> Dim:
    """Return the product of dimensions."""
    result: Dim = ONE
    for dim in dims:
        result = times(result, dim)
    return result


def divide(one: Dim, other: Dim) -> Dim:
    """Return the quotient of two dimensions, None when it is not whole for every size."""
    if one is None or other is None or not other[0] or one[0] % other[0]:
        return None
    left = list(one[1])
    for name in other[1]:
        if name not in left:
            return None
        left.remove(name)
    return one[0] // other[0], tuple(left)


def size_of(dim: Dim) -> Optional[int]:
    """Return a dimension as a number, None when it is not one."""
    return dim[0] if dim is not None and not dim[1] else None


def sizes_of(dims: Optional[Shape]) -> "Optional[Tuple[int, ...]]":
    """Return dimensions as numbers, None when one of them is not."""
    if dims is None or any(size_of(dim) is None for dim in dims):
        return None
    return tuple(dim[0] for dim in dims if dim is not None)


def by_rows(dim: Dim) -> bool:
    """Tell whether a dimension depends on the number of rows."""
    return dim is not None and "rows" in dim[1]


def rows_of(shape: Optional[Shape], counts: bool = True) -> Value:
    """
    Return a tensor by row of that shape, None when the shape is not one.

    A shape that was computed from the number of rows (`counts`) has to be known in full.
    """
    if not shape or shape[0] is None or shape[0][1].count("rows") != 1:
        return None
    if any(by_rows(dim) for dim in shape[1:]):
        return None
    if counts and None in shape:
        return None
    return Rows(shape)


def join(one: Value, other: Value) -> Value:
    """Return what holds of a tensor that is either of two."""
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
    """Tell whether a tensor is the same whatever the rows and however many."""
    return isinstance(value, Plain) and not value.counts


def integer(value: Value) -> int:
    """Return a scalar that is known; ValueError when it is not."""
    (single,) = integers(value)
    return single


def integers(value: Value) -> Tuple[int, ...]:
    """Return the numbers in a tensor; ValueError when they are not known."""
    sizes = sizes_of(value.ints) if isinstance(value, Plain) else None
    if sizes is None:
        raise ValueError("not known")
    return sizes


def completed(source: Optional[Shape], target: Shape) -> Shape:
    """Return a shape with the size that -1 stands for in it, None where that is not known."""
    rest = [at for at, dim in enumerate(target) if size_of(dim) == -1]
    if len(rest) != 1:
        return tuple(None if at in rest else dim for at, dim in enumerate(target))
    others = target[: rest[0]] + target[rest[0] + 1 :]
    size = None if source is None else divide(product(source), product(others))
    return target[: rest[0]] + (size,) + target[rest[0] + 1 :]
