"""Answer a batch of requests with as few runs as possible, by joining their rows."""

from time import perf_counter
from typing import Any, Dict, Iterator, List, Sequence, Tuple, Union

import numpy as np

from eas_processor.codecs.codec import Codec
from eas_processor.codecs.errors import UnknownCodec
from eas_processor.codecs.registry import find
from eas_processor.tf.rows.proof import count_rows, scalar
from eas_processor.tf.run.members import Member, alone
from eas_processor.tf.run.model import Model
from eas_processor.tf.run.padding import by_shape, may_be_padded, pad_lengths, shapes_differ
from eas_processor.tf.run.plans import Arrays, Plan
from eas_processor.tf.run.splitting import (
    allowed_rows,
    is_split,
    run_alone,
    run_in_parts,
    run_whole,
)
from eas_processor.tf.times import RunTimes
from eas_wire import Tensor
from eas_wire.tensors import share

Answer = Union[bytes, Exception]


_Groups = Dict[Any, List[Member]]


def run_batch(
    model: Model, requests: Sequence[Any], codecs: Sequence[int], times: RunTimes
) -> List[Answer]:
    """
    Answer each request, in order, with response bytes or with the exception that refuses it.

    `codecs` has the number of each request's codec. Requests are joined if they have the same
    callable, dtypes, trailing shapes and scalars; their codecs may differ. With
    `pad_variable_length_inputs`, trailing shapes may differ too. All other requests run alone, and
    so do the requests of a joined run that fails. The durations are added to `times`.
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
    # A model that splits large requests splits large batches, too.
    max_rows = 0 if model.splits_above else model.config.max_batch_rows
    for members in groups.values():
        for part in _bound(members, max_rows):
            _answer_group(model, part, answers, times)
    return answers


def _by_codec(codecs: Sequence[int]) -> Dict[int, Sequence[int]]:
    """Return the places of requests by codec number."""
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
    """Decode the requests at `places`, and add them to the groups that run together."""
    stacks, others = codec.stack(requests, places)
    for stack in stacks:
        try:
            plan, first = model.prepare(stack.first, codec)
        except Exception:
            others += stack.indexes  # each of them is refused with its own exception below
            continue
        if plan.batchable:
            arrays = plan.order_feeds(stack.arrays)
            member = Member(stack.indexes, codec, None, plan, arrays, stack.rows)
            groups.setdefault(_group_key(model, plan, first), []).append(member)
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
        key = index if rows is None else _group_key(model, plan, arrays)
        member = Member([index], codec, form, plan, arrays, rows or 0)
        groups.setdefault(key, []).append(member)


def _group_key(model: Model, plan: Plan, arrays: Arrays) -> Tuple[Any, ...]:
    # The callable identifies signature, feeds and fetches.
    if model.config.pad_variable_length_inputs and may_be_padded(plan, arrays):
        return (id(plan.graph_callable),) + tuple(
            (array.dtype, array.ndim) if array.ndim else (array.dtype, scalar(array))
            for array in arrays
        )
    return (id(plan.graph_callable),) + tuple(
        (array.dtype, array.shape[1:]) if array.ndim else (array.dtype, scalar(array))
        for array in arrays
    )


def _bound(members: List[Member], max_rows: int) -> List[List[Member]]:
    if not max_rows:
        return [members]
    parts: List[List[Member]] = [[]]
    rows = 0
    for member in alone(members):
        if parts[-1] and rows + member.rows > max_rows:
            parts.append([])
            rows = 0
        parts[-1].append(member)
        rows += member.rows
    return parts


def _answer_group(
    model: Model, members: List[Member], answers: List[Answer], times: RunTimes
) -> None:
    """Answer members with one run if possible, else with one run for each trailing shape."""
    if not model.config.pad_variable_length_inputs or not shapes_differ(members):
        _answer(model, members, answers, times)
        return
    padded = pad_lengths(members)
    if (
        padded
        and padded[0].plan.proof.verdict(padded[0].arrays)
        and _answer_joined(model, padded, answers, times)
    ):
        return
    for alike in by_shape(members):
        _answer(model, alike, answers, times)


def _answer(model: Model, members: List[Member], answers: List[Answer], times: RunTimes) -> None:
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
    for each in alone(members):
        answers[each.indexes[0]] = _answer_alone(model, each, times)


def _try_rows(
    model: Model, members: List[Member], answers: List[Answer], times: RunTimes
) -> List[Member]:
    """
    Run members alone until the rest would make a run with another number of rows; return the rest.

    Two runs with different numbers of rows can prove that outputs come by row.
    """
    proof = members[0].plan.proof
    waiting = alone(members)
    while waiting and proof.verdict(waiting[0].arrays) is None:
        seen = proof.seen(waiting[0].arrays)
        if seen is not None and seen != allowed_rows(model, sum([each.rows for each in waiting])):
            break
        member = waiting.pop(0)
        answers[member.indexes[0]] = _answer_alone(model, member, times)
    return waiting


def _answer_alone(model: Model, member: Member, times: RunTimes) -> Answer:
    start = perf_counter()
    try:
        values = run_alone(model, member.plan, member.arrays, member.rows, times)
        ran = perf_counter()
        times.run += ran - start
        response = member.codec.encode(member.plan.name_outputs(values), member.form)
        times.encode += perf_counter() - ran
        return response
    except Exception as error:
        return error


def _answer_joined(
    model: Model, members: List[Member], answers: List[Answer], times: RunTimes
) -> bool:
    """Answer all members with one run. Return False if they must run alone."""
    begin = perf_counter()
    plan = members[0].plan
    proof = plan.proof
    try:
        rows = sum([member.total for member in members])
        run = run_in_parts if is_split(model, rows) else run_whole
        values = run(model, plan, _join(members), rows, times)
        ran = perf_counter()
        times.run += ran - begin
        if values is None:
            return False
        if proof.watches and not proof.verdict(members[0].arrays):
            return False
    except Exception:
        # The members then run alone, and each gets its own error or answer.
        return False
    _share_out(members, values, answers)
    times.encode += perf_counter() - ran
    return True


def _share_out(members: List[Member], values: Sequence[Any], answers: List[Answer]) -> None:
    """Encode the answers to all members from the values of their joined run."""
    start = 0
    for alike in _alike(members):
        member = alike[0]
        indexes = member.indexes if len(alike) == 1 else [i for each in alike for i in each.indexes]
        stop = start + member.rows * len(indexes)
        outputs = member.plan.name_outputs([value[start:stop] for value in values])
        start = stop
        try:
            written: Sequence[Answer] = member.codec.encode_shares(
                outputs, len(indexes), member.form
            )
        except Exception:
            # Encoded one by one, each answer has its own error, or none.
            written = [
                _encode(member, share(outputs, len(indexes), at)) for at in range(len(indexes))
            ]
        for index, answer in zip(indexes, written):
            answers[index] = answer


def _alike(members: List[Member]) -> Iterator[List[Member]]:
    """Yield lists of consecutive members whose answers can be encoded together."""
    alike = members[:1]
    for member in members[1:]:
        if member.is_answered_like(alike[0]):
            alike.append(member)
        else:
            yield alike
            alike = [member]
    yield alike


def _encode(member: Member, outputs: Dict[str, Tensor]) -> Answer:
    try:
        return member.codec.encode(outputs, member.form)
    except Exception as error:
        return error


def _join(members: List[Member]) -> Arrays:
    if len(members) == 1:
        return members[0].arrays
    columns = zip(*(member.arrays for member in members))
    return [np.concatenate(column) if column[0].ndim else column[0] for column in columns]
