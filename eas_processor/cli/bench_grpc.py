"""The calls that `eascmd bench grpc://...` sends, tried once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import eas_wire as wire
from eas_processor.bench.grpc.call import Call, build_calls
from eas_processor.bench.grpc.one_call import call_once
from eas_processor.bench.target import Target
from eas_processor.cli.bench_bodies import bodies_from_file, random_tensor
from eas_processor.cli.model_metadata import METHOD, metadata_request, read_signature
from eas_processor.cli.saved_model_inputs import read_given
from eas_processor.codecs.tensor_proto.requests import write_predict_request
from eas_processor.errors import BenchError
from eas_wire.tensor_proto.layouts import DT_UINT32, DT_UINT64

_NUMBERS = {
    "float16": wire.DT_HALF,
    "float32": wire.DT_FLOAT,
    "float64": wire.DT_DOUBLE,
    "uint32": DT_UINT32,
    "uint64": DT_UINT64,
}
_HINTS = {
    "UNAUTHENTICATED": "; give the service's token with --token or EAS_TOKEN",
    "NOT_FOUND": "; the address is grpc://HOST:PORT/MODEL",
}


def calls_of(
    target: Target, token: str, timeout: float, *, body: Path | None, inputs: str, rows: int
) -> list[Call]:
    """
    Return calls of Predict with the bodies of a file, with arrays, or with random data.

    Raises BenchError if the server refuses the first call.
    """
    if body is not None:
        messages = bodies_from_file(body)
        if any(each.startswith(b"{") for each in messages):
            raise BenchError(f"--body: {body} holds JSON, expected PredictRequests for gRPC")
    elif inputs:
        given = read_given(inputs, "", "")
        tensors = {name: _tensor(name, np.asarray(each)) for name, each in given.items()}
        messages = [_predict(target, "", tensors)]
    else:
        asked = metadata_request(target.model)
        (call,) = build_calls(target, [asked], path=METHOD, token=token)
        name, known = read_signature(_ask(target, call, timeout))
        tensors = {
            key: random_tensor(key, each.dtype, each.shape, rows) for key, each in known.items()
        }
        messages = [_predict(target, name, tensors)]
    calls = build_calls(target, messages, token=token)
    _ask(target, calls[0], timeout)
    return calls


def _predict(target: Target, signature: str, tensors: dict[str, wire.Tensor]) -> bytes:
    request = wire.Request(signature, tensors, [])
    # As TensorFlow's make_tensor_proto: numbers as bytes, strings as a field each.
    as_content = all(each.dtype != wire.DT_STRING for each in tensors.values())
    try:
        return write_predict_request(request, target.model, as_content)
    except wire.WireError as error:
        raise BenchError(f"{error}; give a request with --body") from error


def _tensor(name: str, array: Any) -> wire.Tensor:
    if array.dtype.kind in "OSU":
        return wire.Tensor(wire.DT_STRING, array.astype(object))
    kind = array.dtype.name
    try:
        number = _NUMBERS.get(kind) or wire.dtype_number(f"DT_{kind.upper()}")
    except wire.WireError as error:
        raise BenchError(f"--inputs: {name!r}: {error}") from None
    return wire.Tensor(number, array)


def _ask(target: Target, call: Call, timeout: float) -> bytes:
    """Return the answer to one call. Raises BenchError unless its status is OK."""
    answer = call_once(target, call, timeout)
    if not answer.status:
        return answer.message
    name = target.statuses.name(answer.status)
    hint = _HINTS.get(name, "")
    raise BenchError(
        f"{target.authority} answers {target.model!r} with {name}: {answer.text}{hint}"
    )
