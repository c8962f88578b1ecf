"""
Follow loops with one round for each row, as `tf.map_fn` writes them.

A variable counts the rounds from 0. An item that the body takes from a list at that place is made
of one row (`ROW`), and so are all values computed from it and from values that no row changes. The
body puts such a value into another list at the same place. After the loop, that list is stacked to
a tensor by row. No other variable may change: a sum over the rounds would mix rows.
"""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from eas_processor.tf.rows.values import (
    ONE,
    ROW,
    Dim,
    Plain,
    Rows,
    Value,
    by_rows,
    fixed,
    integers,
    number,
    rows_of,
)


class Slots(NamedTuple):
    """
    A list with one tensor for each row.

    `filled` tells whether each tensor was made of its own row alone. `variable` is the place of the
    loop variable that holds the list while the body writes it, or None while it is only read.
    """

    filled: bool
    length: Dim
    variable: Optional[int] = None


class Round(NamedTuple):
    """The number of the present round of a loop with `rounds` rounds, or of the one `after` it."""

    rounds: Dim
    after: bool = False


class Until(NamedTuple):
    """A boolean that is true while the number of the round is below `rounds`."""

    rounds: Dim


Rule = Callable[[Any, List[Value]], Value]
Call = Callable[[Sequence[Value]], Optional[List[Value]]]


def once_for_each_row(
    before: Sequence[Value], kept: Sequence[bool], condition: Call, body: Call
) -> Optional[List[Value]]:
    """
    Return what is known of the variables of a loop after its end.

    `kept` tells which variables the body returns unchanged. Returns None if the loop does not have
    one round for each row.
    """
    counting = [not keep and _is_zero(value) for keep, value in zip(kept, before)]
    while any(counting):
        rounds = _rounds(condition(_inside(before, kept, counting, None)))
        if rounds is None:
            return None
        after = body(_inside(before, kept, counting, rounds))
        if after is None:
            return None
        counts = [count and each == Round(rounds, True) for count, each in zip(counting, after)]
        if counts == counting:
            return [
                value if keep else _outside(place, count, each)
                for place, (value, keep, count, each) in enumerate(
                    zip(before, kept, counting, after)
                )
            ]
        counting = counts
    return None


def _is_zero(value: Value) -> bool:
    return fixed(value) and value.shape == () and value.ints == (number(0),)


def _rounds(condition: Optional[List[Value]]) -> Dim:
    (value,) = condition or (None,)
    return value.rounds if isinstance(value, Until) and by_rows(value.rounds) else None


def _inside(
    before: Sequence[Value], kept: Sequence[bool], counting: Sequence[bool], rounds: Dim
) -> List[Value]:
    """Return what is known of the variables during any round."""
    return [
        value if keep else Round(rounds) if count else _empty(place, value)
        for place, (value, keep, count) in enumerate(zip(before, kept, counting))
    ]


def _empty(place: int, value: Value) -> Value:
    # The body can write this list only at the place of the round, so all places are filled at the
    # end.
    unused = isinstance(value, Slots) and not value.filled
    return Slots(False, value.length, place) if unused else None


def _outside(place: int, counts: bool, value: Value) -> Value:
    if counts:
        return Plain((), None, True)
    full = isinstance(value, Slots) and value.filled and value.variable == place
    return Slots(True, value.length) if full else None


def reserved(_: Any, ins: List[Value]) -> Value:
    """Return an empty list with one place for each row."""
    (length,) = ins[1].ints
    return Slots(False, length) if by_rows(length) else None


def listed(_: Any, ins: List[Value]) -> Value:
    """Return the list of rows of a tensor that comes by row."""
    return Slots(True, ins[0].shape[0]) if isinstance(ins[0], Rows) else None


def _item_of_round(_: Any, ins: List[Value]) -> Value:
    """Return the item of the list at the place of the round."""
    slots, at = ins[0], ins[1]
    readable = isinstance(slots, Slots) and slots.filled and slots.variable is None
    return ROW if readable and at == Round(slots.length) else None


def _with_item(_: Any, ins: List[Value]) -> Value:
    """Return the list with an item put in at the place of the round."""
    slots, at, value = ins
    written = isinstance(slots, Slots) and slots.variable is not None
    if not written or at != Round(slots.length) or not (value is ROW or fixed(value)):
        return None
    return slots._replace(filled=True)


def _stacked(_: Any, ins: List[Value]) -> Value:
    """Return the stacked tensor of a list; without rows, that needs a fully known shape."""
    slots, sizes = ins[0], integers(ins[1])
    if not isinstance(slots, Slots) or not slots.filled or slots.variable is not None:
        return None
    if any(size < 0 for size in sizes):
        return None
    return rows_of((slots.length, *map(number, sizes)))


def _counted(_: Any, ins: List[Value]) -> Value:
    """Return the number of the next round."""
    at, step = ins
    one = not at.after and fixed(step) and step.shape == () and step.ints == (ONE,)
    return at._replace(after=True) if one else None


def _below(_: Any, ins: List[Value]) -> Value:
    """Return the condition for another round."""
    at, limit = ins
    known = not at.after and isinstance(limit, Plain) and limit.shape == () and limit.ints
    return Until(limit.ints[0]) if known else None


def _both(_: Any, ins: List[Value]) -> Value:
    """Return the conjunction of two equal conditions."""
    return ins[0] if ins[0] == ins[1] else None


def _same(_: Any, ins: List[Value]) -> Value:
    return ins[0]


LOOP_RULES: Dict[str, Rule] = {
    "Add": _counted,
    "AddV2": _counted,
    "Identity": _same,
    "Less": _below,
    "LogicalAnd": _both,
    "TensorListGetItem": _item_of_round,
    "TensorListSetItem": _with_item,
    "TensorListStack": _stacked,
}
"""The rules of all ops that may take the number of a round, a condition on it, or a list."""
