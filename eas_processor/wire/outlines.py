"""
Requests that differ from an earlier one in their floats alone.

A client sends the same request over and over with other numbers in it. When each of its tensors is
a view of the body, all its other bytes (names, dtypes, shapes, lengths) come again at the same
places, and so they mean the same. To compare them takes 1.5 µs where to read them takes 6; for a
request of 50 inputs, 30 and 250.
"""

from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from eas_processor.wire.tensors import Request, Tensor

_MAX_OUTLINES = 256
_MAX_LITERAL_BYTES = 16384


class Outline:
    """A request without its values: the bytes around them, and where each tensor lies."""

    __slots__ = ("literals", "request", "tensors")

    def __init__(
        self,
        request: Request,
        literals: List[Tuple[int, int, bytes]],
        tensors: List[Tuple[str, int, Tuple[int, ...], "np.dtype[Any]", int]],
    ) -> None:
        self.request = request
        self.literals = literals
        self.tensors = tensors

    def fill(self, view: memoryview) -> Optional[Request]:
        """The request in a body of the same size, or None when it is another one."""
        for start, stop, literal in self.literals:
            if view[start:stop] != literal:
                return None
        inputs = {}
        for name, dtype, shape, storage, offset in self.tensors:
            inputs[name] = Tensor(dtype, np.ndarray(shape, storage, view, offset))
        return Request(self.request.signature_name, inputs, list(self.request.output_filter))


class Outlines:
    """The outlines of the latest requests, one for each size of body."""

    def __init__(self) -> None:
        self._by_size: Dict[int, Outline] = {}

    def recall(self, view: memoryview) -> Optional[Request]:
        """The request in `view`, when one like it has been learned."""
        outline = self._by_size.get(len(view))
        if outline is None:
            return None
        request = outline.fill(view)
        if request is None:
            self._by_size.pop(len(view), None)
        return request

    def learn(self, view: memoryview, request: Request) -> None:
        """Remember what was read from `view`, when its values are all views of it."""
        outline = outline_of(view, request)
        if outline is None:
            return
        if len(self._by_size) >= _MAX_OUTLINES:
            self._by_size.clear()
        self._by_size[len(view)] = outline


def outline_of(view: memoryview, request: Request) -> Optional[Outline]:
    """The outline of a body and what was read from it; None when not all values are views."""
    if not request.inputs:
        return None
    for tensor in request.inputs.values():
        if tensor.array.dtype.kind not in "fc":
            return None
    body = _address(np.frombuffer(view, np.uint8))
    tensors = []
    spans = []
    for name, tensor in request.inputs.items():
        array = tensor.array
        start = _address(array) - body
        stop = start + array.nbytes
        if start < 0 or stop > len(view):
            return None
        tensors.append((name, tensor.dtype, array.shape, array.dtype, start))
        spans.append((start, stop))
    literals = []
    pos = 0
    for start, stop in sorted(spans) + [(len(view), len(view))]:
        literals.append((pos, start, view[pos:start].tobytes()))
        pos = stop
    if sum(len(literal) for _, _, literal in literals) > _MAX_LITERAL_BYTES:
        return None
    return Outline(Request(request.signature_name, {}, request.output_filter), literals, tensors)


def _address(array: "np.ndarray[Any, Any]") -> int:
    return int(array.__array_interface__["data"][0])
