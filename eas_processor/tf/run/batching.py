"""Running requests that came together as one: joined by rows, split again afterwards."""

from time import perf_counter
from typing import Any, Dict, Iterator, List, Sequence, Tuple, Union

import numpy as np

from eas_processor.codecs.codec import Codec, Form, share
from eas_processor.codecs.errors import UnknownCodec
from eas_processor.codecs.registry import find
from eas_processor.tf.rows.proof import count_rows, scalar
from eas_processor.tf.run.model import Model
from eas_processor.tf.run.plans import Arrays, Plan
from eas_processor.tf.times import RunTimes
from eas_wire import Tensor

Answer = Union[bytes, Exception]


class _Member:
    """
    Requests alike, mostly one: their places among the answers, and their arrays, joined by rows.

    `rows` is the number of rows of each; 0 for a request that cannot be joined. `codec` writes
    their answers, in `form`.
    """

    __slots__ = ("arrays", "codec", "form", "indexes", "plan", "rows")

    def __init__(
        self,
        indexes: List[int],
        codec: Codec,
        form: Form,
        plan: Plan,
        arrays: Arrays,
        rows: int,
    ) -> None:
        self.indexes = indexes
        self.codec = codec
        self.form = form
        self.plan = plan
        self.arrays = arrays
        self.rows = rows

    @property
    def total(self) -> int:
        """The rows of all its requests."""
        return self.rows * len(self.indexes)

    def alone(self) -> "List[_Member]":
        """Return each request as a member of its own."""
        if len(self.indexes) == 1:
            return [self]
        starts = range(0, self.total, self.rows)
        return [
            self._one(index, [array[at : at + self.rows] for array in self.arrays])
            for index, at in zip(self.indexes, starts)
        ]

    def _one(self, index: int, arrays: Arrays) -> "_Member":
        return _Member([index], self.codec, self.form, self.plan, arrays, self.rows)

    def is_answered_like(self, other: "_Member") -> bool:
        """Tell whether both can be cut out of one answer."""
        return (
            self.plan is other.plan
            and self.codec is other.codec
            and self.rows == other.rows
            and self.form == other.form
        )


_Groups = Dict[Any, List[_Member]]


def run_batch(
    model: Model, requests: Sequence[Any], codecs: Sequence[int], times: RunTimes
) -> List[Answer]:
    """
    Return the answer to each request, in order: response bytes or the exception that refuses it.

    Each of `requests` is in the codec of the number beside it. They are joined when they share the
    callable, dtypes, trailing shapes and scalars, whatever their codecs; the others, and those of a
    run that fails, run alone. What that took is added to `times`.
    """
    answers: List[Answer] = [b""] * len(requests)
    start = perf_counter()
    groups: _Groups = {}
    for number, places in _by_codec(codecs).items():
        try:
            codec = find(number)
        except UnknownCodec as error:
            for index in places:
                answers[index] = error
            continue
        _read(model, codec, requests, places, groups, answers)
    times.decode += perf_counter() - start
    for members in groups.values():
        for part in _bound(members, model.config.max_batch_rows):
            _answer(model, part, answers, times)
    return answers


def _by_codec(codecs: Sequence[int]) -> Dict[int, Sequence[int]]:
    """Return the places of the requests of each codec."""
    if codecs and codecs.count(codecs[0]) == len(codecs):
        return {codecs[0]: range(len(codecs))}
    places: Dict[int, List[int]] = {}
    for index, number in enumerate(codecs):
        places.setdefault(number, []).append(index)
    return dict(places)


def _read(
    model: Model,
    codec: Codec,
    requests: Sequence[Any],
    places: Sequence[int],
    groups: _Groups,
    answers: List[Answer],
) -> None:
    """Add the requests of one codec to the groups that run together; refuse what cannot be read."""
    stacks, others = codec.stack(requests, places)
    for stack in stacks:
        try:
            plan, first = model.prepare(stack.first, codec)
        except Exception:
            others += stack.indexes  # to be refused each with an exception of its own
            continue
        if plan.batchable:
            arrays = plan.feed(stack.arrays)
            member = _Member(stack.indexes, codec, None, plan, arrays, stack.rows)
            groups.setdefault(_group_key(plan, first), []).append(member)
        else:
            others += stack.indexes
    for index in sorted(others):
        try:
            request, form = codec.decode(requests[index], model)
            plan, arrays = model.prepare(request, codec)
        except Exception as error:
            answers[index] = error
            continue
        rows = count_rows(arrays) if plan.batchable else None
        key = index if rows is None else _group_key(plan, arrays)
        member = _Member([index], codec, form, plan, arrays, rows or 0)
        groups.setdefault(key, []).append(member)


def _group_key(plan: Plan, arrays: Arrays) -> Tuple[Any, ...]:
    # The callable stands for signature, feeds and fetches.
    return (id(plan.graph_callable),) + tuple(
        (array.dtype, array.shape[1:]) if array.ndim else (array.dtype, scalar(array))
        for array in arrays
    )


def _bound(members: List[_Member], max_rows: int) -> List[List[_Member]]:
    if not max_rows:
        return [members]
    parts: List[List[_Member]] = [[]]
    rows = 0
    for member in [each for alike in members for each in alike.alone()]:
        if parts[-1] and rows + member.rows > max_rows:
            parts.append([])
            rows = 0
        parts[-1].append(member)
        rows += member.rows
    return parts


def _answer(model: Model, members: List[_Member], answers: List[Answer], times: RunTimes) -> None:
    several = len(members) > 1 or len(members[0].indexes) > 1
    padded = bool(model.config.allowed_batch_sizes and members[0].rows)
    if (several or padded) and members[0].plan.batchable:
        proof = members[0].plan.proof
        verdict = proof.verdict(members[0].arrays)
        if verdict is None:
            members = _try_rows(model, members, answers, times)
            verdict = bool(members) and proof.verdict(members[0].arrays)
        if verdict is not False and _answer_joined(model, members, answers, times):
            return
    for member in members:
        for each in member.alone():
            answers[each.indexes[0]] = _answer_alone(model, each, times)


def _try_rows(
    model: Model, members: List[_Member], answers: List[Answer], times: RunTimes
) -> List[_Member]:
    """
    Run members alone until the others make a run of another number of rows; return the others.

    Two numbers of rows are what it takes to prove that outputs come by row.
    """
    proof = members[0].plan.proof
    waiting = [each for member in members for each in member.alone()]
    while waiting and proof.verdict(waiting[0].arrays) is None:
        seen = proof.seen(waiting[0].arrays)
        if seen is not None and seen != _total(model, waiting):
            break
        member = waiting.pop(0)
        answers[member.indexes[0]] = _answer_alone(model, member, times)
    return waiting


def _total(model: Model, members: List[_Member]) -> int:
    """Return how many rows a run of `members` has, with those that are added to it."""
    rows = sum([member.total for member in members])
    sizes = model.config.allowed_batch_sizes if rows else ()  # nothing is there to be repeated
    return next((size for size in sizes if size >= rows), rows)


def _answer_alone(model: Model, member: _Member, times: RunTimes) -> Answer:
    start = perf_counter()
    try:
        values = model.run(member.plan, member.arrays)
        ran = perf_counter()
        times.run += ran - start
        times.rows.append(member.rows or 1)
        response = member.codec.encode(member.plan.give(values), member.form)
        times.encode += perf_counter() - ran
        return response
    except Exception as error:
        return error


def _answer_joined(
    model: Model, members: List[_Member], answers: List[Answer], times: RunTimes
) -> bool:
    """Answer all members with one run; False when they have to run alone."""
    begin = perf_counter()
    proof = members[0].plan.proof
    try:
        rows = sum([member.total for member in members])
        total = _total(model, members)
        values = model.run(members[0].plan, _padded(_join(members), total - rows))
        ran = perf_counter()
        times.run += ran - begin
        times.rows.append(rows or 1)
        if not proof.holds(values, total):
            return False
        if proof.watches and not proof.verdict(members[0].arrays):
            return False
    except Exception:
        # Alone, each member meets its own error, or none.
        return False
    _share_out(members, values, answers)
    times.encode += perf_counter() - ran
    return True


def _share_out(members: List[_Member], values: Sequence[Any], answers: List[Answer]) -> None:
    """Write the answers to all members from the values of their run."""
    start = 0
    for alike in _alike(members):
        member = alike[0]
        indexes = member.indexes if len(alike) == 1 else [i for each in alike for i in each.indexes]
        stop = start + member.rows * len(indexes)
        outputs = member.plan.give([value[start:stop] for value in values])
        start = stop
        try:
            written: Sequence[Answer] = member.codec.encode_shares(
                outputs, len(indexes), member.form
            )
        except Exception:
            # One by one, each has its own error, or none.
            written = [
                _encode(member, share(outputs, len(indexes), at)) for at in range(len(indexes))
            ]
        for index, answer in zip(indexes, written):
            answers[index] = answer


def _alike(members: List[_Member]) -> Iterator[List[_Member]]:
    """Yield the members that follow each other and are answered alike, together."""
    alike = members[:1]
    for member in members[1:]:
        if member.is_answered_like(alike[0]):
            alike.append(member)
        else:
            yield alike
            alike = [member]
    yield alike


def _encode(member: _Member, outputs: Dict[str, Tensor]) -> Answer:
    try:
        return member.codec.encode(outputs, member.form)
    except Exception as error:
        return error


def _join(members: List[_Member]) -> Arrays:
    if len(members) == 1:
        return members[0].arrays
    columns = zip(*(member.arrays for member in members))
    return [np.concatenate(column) if column[0].ndim else column[0] for column in columns]


def _padded(arrays: Arrays, rows: int) -> Arrays:
    """Return arrays whose last row comes `rows` more times: any other might be out of range."""
    if not rows:
        return arrays
    return [
        np.concatenate([array, np.repeat(array[-1:], rows, axis=0)]) if array.ndim else array
        for array in arrays
    ]
