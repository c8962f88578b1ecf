"""A transport without a network, for tests of code that predicts."""

from __future__ import annotations

from typing import Any, Callable, Mapping, NamedTuple, Tuple, Union

import numpy as np

import eas_wire as wire

from . import _feed
from ._transport import Transport

__all__ = ["Answer", "FakeTransport", "SentRequest", "tf_answer"]

Answer = Union[bytes, Tuple[int, Mapping[str, str], bytes]]
"""The body of an answer with status 200, or status, headers and body."""


class SentRequest(NamedTuple):
    """A request as the client passed it to the transport."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout: float


class FakeTransport(Transport):
    """
    Returns or raises the result of `answer(sent_request)`, and keeps all requests in `requests`.

        transport = FakeTransport(lambda sent: tf_answer({"scores": np.zeros([1, 10])}))
        client = PredictClient("nowhere", "digits", transport=transport)
    """

    def __init__(self, answer: Callable[[SentRequest], Answer]) -> None:
        self.answer = answer
        self.requests: list[SentRequest] = []
        self.closed = False

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        sent = SentRequest(method, url, headers, body, timeout)
        self.requests.append(sent)
        answer = self.answer(sent)
        return (200, {}, answer) if isinstance(answer, bytes) else answer

    def close(self) -> None:
        self.closed = True


_DTYPES = {
    "float16": wire.DT_HALF,
    "float32": wire.DT_FLOAT,
    "float64": wire.DT_DOUBLE,
}


def tf_answer(outputs: Mapping[str, Any]) -> bytes:
    """Return the body of a TensorFlow service's answer with these arrays, in their dtypes."""
    tensors = {}
    for name, values in outputs.items():
        array = np.asarray(values)
        if array.dtype.kind in "OSU":
            dtype = wire.DT_STRING
        else:
            dtype = _DTYPES.get(array.dtype.name) or wire.dtype_number(
                f"DT_{array.dtype.name.upper()}"
            )
        tensors[name] = _feed.tensor(name, array.shape, dtype, values)
    return wire.encode_response(tensors)
