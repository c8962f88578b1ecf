"""The `model_spec` of a request: found in its bytes without reading the rest, and of an answer."""

from __future__ import annotations

from collections.abc import Sequence

from eas_processor.codecs.tensor_proto.messages import ModelSpec, read_model_spec
from eas_processor.contracts.refusals import BadRequest
from eas_wire import MalformedMessage
from eas_wire.fields import LENGTH, VARINT, allowance, fields, length_field, tag_of
from eas_wire.varints import read_varint, write_varint

_FIRST = tag_of(1, LENGTH)
"""The `model_spec` of requests, the `tasks` of MultiInference, and the `results` of its answer."""
_MOST_FIELDS = 10_000
"""Of the request itself, not of what it holds: to walk these takes 2 ms."""
_LONGEST_HEAD = 20
"""Bytes of a tag and a length."""

NAME = tag_of(1, LENGTH)
VERSION = tag_of(2, LENGTH)
SIGNATURE_NAME = tag_of(3, LENGTH)
_INT64 = tag_of(1, VARINT)

DEFAULT_SIGNATURE = b"serving_default"


def first_field(body: Sequence[bytes]) -> bytes:
    """
    Return the contents of all fields 1 of a message, one behind the other, as protobuf merges them.

    The message may be in pieces, and is not joined. Raises BadRequest.
    """
    try:
        if len(body) == 1:
            view = memoryview(body[0])
            found = [
                view[start:stop].tobytes()
                for tag, start, stop in fields(view, 0, len(view), allowance(_MOST_FIELDS))
                if tag == _FIRST
            ]
            return found[0] if len(found) == 1 else b"".join(found)
        return b"".join(_Pieces(body).first_fields())
    except MalformedMessage as error:
        raise BadRequest(f"the message cannot be read: {error}") from None


def read_spec(content: bytes) -> ModelSpec:
    """Return the `ModelSpec` whose content this is. Raises BadRequest."""
    view = memoryview(content)
    try:
        return read_model_spec(view, [(0, len(view))])
    except MalformedMessage as error:
        raise BadRequest(f"model_spec cannot be read: {error}") from None


def version_of(number: int) -> bytes:
    """Return the field `version` of a `ModelSpec`."""
    value = write_varint(_INT64) + write_varint(number) if number else b""
    return length_field(VERSION, value)


def write_spec(name: str, number: int, signature: bytes) -> bytes:
    """Return the content of a `ModelSpec` with a version."""
    return (
        length_field(NAME, name.encode())
        + version_of(number)
        + (length_field(SIGNATURE_NAME, signature) if signature else b"")
    )


def add_version(response: bytes, number: int) -> bytes:
    """Return a `MultiInferenceResponse` in which each result has its version."""
    view = memoryview(response)
    version = length_field(_FIRST, version_of(number))
    return b"".join(
        length_field(_FIRST, view[start:stop].tobytes() + version)
        for tag, start, stop in fields(view, 0, len(view))
        if tag == _FIRST
    )


class _Pieces:
    """A message in pieces, walked over their borders."""

    def __init__(self, body: Sequence[bytes]) -> None:
        self._body = body
        self._piece = 0
        self._start = 0
        """Where the piece begins in the message."""
        self._size = sum(map(len, body))

    def first_fields(self) -> list[bytes]:
        """Return the content of each field 1. Raises MalformedMessage."""
        found: list[bytes] = []
        pos = 0
        for _ in range(_MOST_FIELDS):
            if pos >= self._size:
                return found
            head = memoryview(self._read(pos, _LONGEST_HEAD))
            tag, start = read_varint(head, 0)
            if tag & 7 == LENGTH:
                length, start = read_varint(head, start)
                if tag == _FIRST:
                    found.append(self._read(pos + start, length))
                    if len(found[-1]) != length:
                        raise MalformedMessage("a field goes beyond the end of its message")
                pos += start + length
            else:
                # Numbers are short: what `fields` reads of the next bytes is the whole field.
                pos += next(fields(head, 0, len(head)))[2]
        raise MalformedMessage(f"the message has more than {_MOST_FIELDS} fields")

    def _read(self, pos: int, size: int) -> bytes:
        """Return `size` bytes from `pos` on, or what there is; `pos` never goes back."""
        body = self._body
        while self._piece < len(body) and pos >= self._start + len(body[self._piece]):
            self._start += len(body[self._piece])
            self._piece += 1
        piece, start, parts = self._piece, pos - self._start, []
        while size > 0 and piece < len(body):
            part = body[piece][start : start + size]
            parts.append(part)
            size -= len(part)
            piece, start = piece + 1, 0
        return b"".join(parts)
