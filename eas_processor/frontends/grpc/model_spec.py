"""Reads the `model_spec` of a request without parsing the rest, and writes that of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from eas_processor.contracts.refusals import BadRequest
from eas_processor.frontends.grpc.wire import (
    LENGTH,
    LONGEST_HEAD,
    MOST_FIELDS,
    MalformedError,
    field_at,
    fields,
    length_field,
    number_field,
    read_varint,
    text_field,
)
from eas_processor.frontends.tfs_models import Wanted

_NAME, _VERSION, _SIGNATURE_NAME, _LABEL = 1, 2, 3, 4

DEFAULT_SIGNATURE = "serving_default"


class ModelSpec(NamedTuple):
    """The model that a request names. Without a version, `version` is None and `label` empty."""

    name: str = ""
    version: int | None = None
    label: str = ""
    signature_name: str = ""

    @property
    def wanted(self) -> Wanted:
        """The model and its version. Raises BadRequest if there is no name."""
        if not self.name:
            raise BadRequest("ModelSpec has no name specified.")
        return Wanted(self.name.encode(), self.version, self.label or None)


def first_field(body: Sequence[bytes]) -> bytes:
    """
    Return the contents of all fields 1 of a message, concatenated, as protobuf merges them.

    The message may consist of several pieces, which are not joined. Raises BadRequest.
    """
    try:
        if len(body) == 1:
            message = body[0]
            found = [
                message[start:stop]
                for number, kind, start, stop in fields(message)
                if number == 1 and kind == LENGTH
            ]
        else:
            found = _Pieces(body).first_fields()
    except (MalformedError, IndexError) as error:
        raise BadRequest(f"the message cannot be read: {error}") from None
    return found[0] if len(found) == 1 else b"".join(found)


def read_spec(content: bytes) -> ModelSpec:
    """Parse the content of a `ModelSpec`. Raises BadRequest."""
    given: dict[str, str | int | None] = {}
    try:
        for number, kind, start, stop in fields(content):
            if kind != LENGTH:
                continue
            value = content[start:stop]
            if number == _NAME:
                given["name"] = value.decode()
            elif number == _SIGNATURE_NAME:
                given["signature_name"] = value.decode()
            elif number == _VERSION:
                given |= {"version": _int64(value), "label": ""}
            elif number == _LABEL:
                given |= {"version": None, "label": value.decode()}
    except (ValueError, IndexError) as error:
        raise BadRequest(f"model_spec cannot be read: {error}") from None
    return ModelSpec(**given)  # type: ignore[arg-type]


def _int64(wrapped: bytes) -> int:
    """Return the number in an `Int64Value`."""
    value = 0
    for number, _, start, _ in fields(wrapped):
        if number == 1:
            value = read_varint(wrapped, start)[0]
    return value - (value >> 63 << 64)


def write_spec(name: str, version: int, signature: str) -> bytes:
    """Return the content of a `ModelSpec` with a version."""
    return text_field(_NAME, name) + _version(version) + text_field(_SIGNATURE_NAME, signature)


def _version(number: int) -> bytes:
    return length_field(_VERSION, number_field(1, number))


def add_version(response: bytes, number: int) -> bytes:
    """Return a `MultiInferenceResponse` with the version added to each result."""
    version = length_field(1, _version(number))
    return b"".join(
        length_field(1, response[start:stop] + version)
        for field, kind, start, stop in fields(response)
        if field == 1 and kind == LENGTH
    )


class _Pieces:
    """Reads the fields of a message that consists of several pieces."""

    def __init__(self, body: Sequence[bytes]) -> None:
        self._body = body
        self._piece = 0
        self._start = 0
        """The position of the present piece in the message."""
        self._size = sum(map(len, body))

    def first_fields(self) -> list[bytes]:
        """Return the content of each field 1. Raises MalformedError."""
        found: list[bytes] = []
        pos = 0
        for _ in range(MOST_FIELDS):
            if pos == self._size:
                return found
            number, kind, start, stop = field_at(self._read(pos, LONGEST_HEAD), 0)
            if pos + stop > self._size:
                raise MalformedError("a field goes beyond the end of its message")
            if number == 1 and kind == LENGTH:
                found.append(self._read(pos + start, stop - start))
            pos += stop
        raise MalformedError(f"the message has more than {MOST_FIELDS} fields")

    def _read(self, pos: int, size: int) -> bytes:
        """Return up to `size` bytes from `pos` on. `pos` must not decrease between calls."""
        body = self._body
        while self._piece < len(body) and pos >= self._start + len(body[self._piece]):
            self._start += len(body[self._piece])
            self._piece += 1
        piece, start, parts = self._piece, pos - self._start, []
        while size > 0 and piece < len(body):
            parts.append(body[piece][start : start + size])
            size -= len(parts[-1])
            piece, start = piece + 1, 0
        return b"".join(parts)
