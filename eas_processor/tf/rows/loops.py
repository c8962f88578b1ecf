"""
Loops that go round once for each row, as `tf.map_fn` writes them.

A variable counts the rounds from 0. What is taken from a list at that place is made of that row
alone (`ROW`), and so is whatever is computed of it and of what no row changes; it is put into
another list at that place, which is stacked to a tensor by row after the loop. No other variable
may change: a sum over the rounds would hold the rows before.
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
    A list of one tensor for each row.

    `filled` tells that each was made of its own row alone. `variable` is the place of the loop
    variable that it is in while rounds write it, None where it is only read.
    """

    filled: bool
    length: Dim
    variable: Optional[int] = None


class Round(NamedTuple):
    """The number of the round, or the one after it, of a loop of so many rounds."""

    rounds: Dim
    after: bool = False


class Until(NamedTuple):
    """True while the number of the round is below that."""

    rounds: Dim


Rule = Callable[[Any, List[Value]], Value]
Call = Callable[[Sequence[Value]], Optional[List[Value]]]


def once_for_each_row(
    before: Sequence[Value], kept: Sequence[bool], condition: Call, body: Call
) -> Optional[List[Value]]:
    """
    Return what is known of the variables of a loop after it, None when it is not one for each row.

    `kept` are the variables that the body hands on as they are.
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
    """Return what is known of the variables in any round."""
    return [
        value if keep else Round(rounds) if count else _empty(place, value)
        for place, (value, keep, count) in enumerate(zip(before, kept, counting))
    ]


def _empty(place: int, value: Value) -> Value:
    # Written at each round's place, and by no other way, a list is full after the last.
    unused = isinstance(value, Slots) and not value.filled
    return Slots(False, value.length, place) if unused else None


def _outside(place: int, counts: bool, value: Value) -> Value:
    if counts:
        return Plain((), None, True)
    full = isinstance(value, Slots) and value.filled and value.variable == place
    return Slots(True, value.length) if full else None


def reserved(_: Any, ins: List[Value]) -> Value:
    """A list with room for one tensor for each row."""
    (length,) = ins[1].ints
    return Slots(False, length) if by_rows(length) else None


def listed(_: Any, ins: List[Value]) -> Value:
    """A list of rows, from a tensor that comes by row."""
    return Slots(True, ins[0].shape[0]) if isinstance(ins[0], Rows) else None


def _item_of_round(_: Any, ins: List[Value]) -> Value:
    """What is in the list at the place of the round."""
    slots, at = ins[0], ins[1]
    readable = isinstance(slots, Slots) and slots.filled and slots.variable is None
    return ROW if readable and at == Round(slots.length) else None


def _with_item(_: Any, ins: List[Value]) -> Value:
    """A list with something put in at the place of the round."""
    slots, at, value = ins
    written = isinstance(slots, Slots) and slots.variable is not None
    if not written or at != Round(slots.length) or not (value is ROW or fixed(value)):
        return None
    return slots._replace(filled=True)


def _stacked(_: Any, ins: List[Value]) -> Value:
    """The tensor of a list; of no rows there is one only where the shape is known in full."""
    slots, sizes = ins[0], integers(ins[1])
    if not isinstance(slots, Slots) or not slots.filled or slots.variable is not None:
        return None
    if any(size < 0 for size in sizes):
        return None
    return rows_of((slots.length, *map(number, sizes)))


def _counted(_: Any, ins: List[Value]) -> Value:
    """The number of the next round."""
    at, step = ins
    one = not at.after and fixed(step) and step.shape == () and step.ints == (ONE,)
    return at._replace(after=True) if one else None


def _below(_: Any, ins: List[Value]) -> Value:
    """Whether there is another round."""
    at, limit = ins
    known = not at.after and isinstance(limit, Plain) and limit.shape == () and limit.ints
    return Until(limit.ints[0]) if known else None


def _both(_: Any, ins: List[Value]) -> Value:
    """Two limits at once, where they are the same."""
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
"""The only ops that may see the number of a round, a condition on it, or a list of rows."""
