"""The messages of `tensorflow.ProfilerService`: those fields that mean something here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from eas_processor.contracts.refusals import BadRequest

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}
_LONGEST_VARINT = 10
_DEFAULT_LEVELS = {"host_tracer_level": 2, "device_tracer_level": 1}
"""What `ProfileOptions` without a version stand for."""
_MOST_DETAIL = 3
_MOST_FIELDS = 10_000
_EMPTY_TRACE = b"\x38\x01"


class ProfileRequest(NamedTuple):
    """
    How long, in seconds, and with which levels of TensorFlow's tracers.

    The directory, the session and the host that a request names are of no use to a server that
    writes nothing. The level of Python's tracer would show the worker and not the model.
    """

    seconds: float
    levels: dict[str, int]


class MonitorRequest(NamedTuple):
    """How long, in seconds, how much (1 or 2), and whether the report begins with the time."""

    seconds: float
    level: int
    timestamp: bool


def read_profile(message: bytes) -> ProfileRequest:
    """Return what a `ProfileRequest` asks for. Raises BadRequest."""
    duration, levels = 0, _DEFAULT_LEVELS
    for number, value in _fields(message):
        if number == 1 and isinstance(value, int):
            duration = value
        elif number == 4 and isinstance(value, bytes):
            levels = _levels(value)
    return ProfileRequest(duration / 1e3, levels)


def _levels(options: bytes) -> dict[str, int]:
    given = {number: value for number, value in _fields(options) if isinstance(value, int)}
    if not given.get(5):
        return _DEFAULT_LEVELS
    return {
        "host_tracer_level": min(given.get(2, 0), _MOST_DETAIL),
        "device_tracer_level": min(given.get(3, 0), _MOST_DETAIL),
    }


def read_monitor(message: bytes) -> MonitorRequest:
    """Return what a `MonitorRequest` asks for. Raises BadRequest."""
    given = {number: value for number, value in _fields(message) if isinstance(value, int)}
    return MonitorRequest(given.get(1, 0) / 1e3, given.get(2, 1), bool(given.get(3)))


def write_profile(profiles: dict[str, bytes]) -> bytes:
    """
    Return a `ProfileResponse`: each profile as the data of a tool of that name.

    A client writes each into a file, whose name ends with the tool's.
    """
    pieces = []
    for name, profile in profiles.items():
        before = _length_field(1, name.encode()) + b"\x12" + _varint(len(profile))
        pieces += [b"\x32" + _varint(len(before) + len(profile)) + before, profile]
    return b"".join(pieces) or _EMPTY_TRACE


def write_monitor(report: str) -> bytes:
    """Return a `MonitorResponse` that shows this text."""
    return _length_field(1, report.encode())


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the numbers and values of fields; a fixed-size one as its bytes."""
    offset = 0
    for _ in range(_MOST_FIELDS):
        if offset == len(message):
            return
        tag, offset = _read_varint(message, offset)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, offset = _read_varint(message, offset)
            yield number, value
            continue
        if kind == _LENGTH:
            size, offset = _read_varint(message, offset)
        elif (size := _FIXED_SIZES.get(kind, -1)) < 0:
            raise BadRequest(f"byte {offset - 1} of the message begins no field")
        if offset + size > len(message):
            raise BadRequest(f"the message is cut off in field {number}")
        yield number, message[offset : offset + size]
        offset += size
    raise BadRequest(f"the message has more than {_MOST_FIELDS} fields")


def _read_varint(message: bytes, offset: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(message[offset : offset + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, offset + place + 1
    raise BadRequest(f"the message has no whole number at byte {offset}")


def _length_field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
