"""
Recognise requests that differ from an earlier one in their floats alone.

Clients send the same request again and again with other numbers. When each tensor is a view of the
body, all other bytes (names, dtypes, shapes, lengths) are the same at the same places in the next
request, so they mean the same. Comparing them is quicker than decoding, and several such requests
are decoded together.

The figures are in docs/decisions/reading-by-hand.md and docs/decisions/joined-batches.md.
"""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from eas_wire.tensors import Request, Tensor

_MAX_OUTLINES = 256
_MAX_LITERAL_BYTES = 16384


class Stack:
    """
    Several requests that differ in their floats alone, decoded together.

    `indexes` are their places among the bodies, and `first` is the first request. `arrays` holds
    the rows of all requests by input name, each `[len(indexes) * rows, ...]`: `rows` per request.
    """

    __slots__ = ("arrays", "first", "indexes", "rows")

    def __init__(
        self,
        indexes: List[int],
        first: Request,
        rows: int,
        arrays: Dict[str, "np.ndarray[Any, Any]"],
    ) -> None:
        self.indexes = indexes
        self.first = first
        self.rows = rows
        self.arrays = arrays


class Outline:
    """
    A request without its values: the bytes around them, and the place of each tensor.

    `rows` is the first dimension if all tensors have the same one, else 0.
    """

    __slots__ = ("literals", "request", "rows", "tensors")

    def __init__(
        self,
        request: Request,
        literals: List[Tuple[int, int, bytes]],
        tensors: List[Tuple[str, int, Tuple[int, ...], "np.dtype[Any]", int, int]],
    ) -> None:
        self.request = request
        self.literals = literals
        self.tensors = tensors
        first = {shape[:1] for _, _, shape, _, _, _ in tensors}
        self.rows = sum(first.pop()) if len(first) == 1 else 0

    def fits(self, body: Any) -> bool:
        """Return whether a body of the same size has the same bytes around its values."""
        for start, stop, literal in self.literals:  # noqa: SIM110 - all() takes 0.2 us longer
            if body[start:stop] != literal:
                return False
        return True

    def fill(self, view: memoryview) -> Request:
        """Return the request in a body that fits, with arrays that view it."""
        inputs = {}
        for name, dtype, shape, storage, start, _ in self.tensors:
            inputs[name] = Tensor(dtype, np.ndarray(shape, storage, view, start))
        return Request(self.request.signature_name, inputs, list(self.request.output_filter))

    def stack(self, bodies: Sequence[Any], indexes: List[int]) -> Stack:
        """Join the requests in the bodies at `indexes`, which all fit."""
        views = [memoryview(bodies[index]) for index in indexes]
        arrays = {}
        for name, _, shape, storage, start, stop in self.tensors:
            joined = np.frombuffer(b"".join([view[start:stop] for view in views]), storage)
            arrays[name] = joined.reshape((len(indexes) * self.rows, *shape[1:]))
        return Stack(indexes, self.fill(views[0]), self.rows, arrays)


class Outlines:
    """
    The outlines of recent requests, one for each body size.

    `kinds` are the numpy dtype kinds whose arrays are views of the body: "f" float, "c" complex.
    """

    def __init__(self, kinds: str = "fc") -> None:
        self._kinds = kinds
        self._by_size: Dict[int, Outline] = {}

    def recall(self, view: memoryview) -> Optional[Request]:
        """Return the request in `view` if its outline is known."""
        outline = self._by_size.get(len(view))
        if outline is None:
            return None
        if outline.fits(view):
            return outline.fill(view)
        self._by_size.pop(len(view), None)
        return None

    def stacks(self, bodies: Sequence[Any], places: Sequence[int]) -> Tuple[List[Stack], List[int]]:
        """Return stacks of the bodies at `places` whose outline is known, and the other places."""
        alike: Dict[Outline, List[int]] = {}
        others = []
        for index in places:
            body = bodies[index]
            outline = self._by_size.get(len(body))
            # A large body is a memoryview, and joining large bodies saves no time.
            usual = outline is not None and outline.rows and type(body) is bytes
            if outline is not None and usual and outline.fits(body):
                alike.setdefault(outline, []).append(index)
            else:
                others.append(index)
        stacks = []
        for outline, indexes in alike.items():
            if len(indexes) == 1:
                others += indexes
            else:
                stacks.append(outline.stack(bodies, indexes))
        return stacks, others

    def learn(self, view: memoryview, request: Request) -> None:
        """Remember the outline of `request` if all its values are views of `view`."""
        outline = outline_of(view, request, self._kinds)
        if outline is None:
            return
        if len(self._by_size) >= _MAX_OUTLINES:
            self._by_size.clear()
        self._by_size[len(view)] = outline


def outline_of(view: memoryview, request: Request, kinds: str = "fc") -> Optional[Outline]:
    """Return the outline of a request decoded from `view`, or None if a value is not a view."""
    if not request.inputs:
        return None
    for tensor in request.inputs.values():
        if tensor.array.dtype.kind not in kinds:
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
        tensors.append((name, tensor.dtype, array.shape, array.dtype, start, stop))
        spans.append((start, stop))
    literals = []
    pos = 0
    for start, stop in sorted(spans) + [(len(view), len(view))]:
        if pos < start:
            literals.append((pos, start, view[pos:start].tobytes()))
        pos = stop
    if sum(len(literal) for _, _, literal in literals) > _MAX_LITERAL_BYTES:
        return None
    return Outline(Request(request.signature_name, {}, request.output_filter), literals, tensors)


def _address(array: "np.ndarray[Any, Any]") -> int:
    return int(array.__array_interface__["data"][0])
