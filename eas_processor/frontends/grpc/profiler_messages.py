"""The messages of `tensorflow.ProfilerService`, with the fields that the engine uses."""

from __future__ import annotations

from typing import NamedTuple

from eas_processor.frontends.grpc.wire import (
    LENGTH,
    VARINT,
    fields,
    length_field,
    number_field,
    read_varint,
    text_field,
)

_DURATION_MS = 1
_OPTIONS = 4
# Fields of the options
_HOST_LEVEL, _DEVICE_LEVEL, _VERSION = 2, 3, 5
_DEFAULT_LEVELS = {"host_tracer_level": 2, "device_tracer_level": 1}
_MOST_DETAIL = 3


class ProfileRequest(NamedTuple):
    """
    The seconds of a profile, and the levels of TensorFlow's tracers.

    Directory, session and host are ignored, because the engine writes no files. The level of
    Python's tracer is ignored, because that would show the worker rather than the model.
    """

    seconds: float
    levels: dict[str, int]


class MonitorRequest(NamedTuple):
    """The seconds to watch, the level of detail (1 or 2), and whether to report the time."""

    seconds: float
    level: int
    timestamp: bool


def read_profile(message: bytes) -> ProfileRequest:
    """Parse a `ProfileRequest`. Raises MalformedError."""
    levels = _DEFAULT_LEVELS
    for number, kind, start, stop in fields(message):
        if (number, kind) == (_OPTIONS, LENGTH):
            levels = _levels(_numbers(message[start:stop]))
    return ProfileRequest(_numbers(message).get(_DURATION_MS, 0) / 1e3, levels)


def _levels(options: dict[int, int]) -> dict[str, int]:
    """Return the levels in `ProfileOptions`; without a version, the default levels."""
    if not options.get(_VERSION):
        return _DEFAULT_LEVELS
    return {
        "host_tracer_level": min(options.get(_HOST_LEVEL, 0), _MOST_DETAIL),
        "device_tracer_level": min(options.get(_DEVICE_LEVEL, 0), _MOST_DETAIL),
    }


def read_monitor(message: bytes) -> MonitorRequest:
    """Parse a `MonitorRequest`. Raises MalformedError."""
    given = _numbers(message)
    return MonitorRequest(given.get(_DURATION_MS, 0) / 1e3, given.get(2, 1), bool(given.get(3)))


def write_profile(profiles: dict[str, bytes]) -> bytes:
    """
    Return a `ProfileResponse` with each profile as the data of a tool.

    A client writes each profile into a file whose name ends with that of the tool.
    """
    tools = (
        length_field(6, text_field(1, name) + length_field(2, profile))
        for name, profile in profiles.items()
    )
    return b"".join(tools) or number_field(7, 1)


def write_monitor(report: str) -> bytes:
    """Return a `MonitorResponse` with this text."""
    return text_field(1, report)


def _numbers(message: bytes) -> dict[int, int]:
    """Return the values of number fields, by field number; of repeated fields, the last."""
    return {
        number: read_varint(message, start)[0]
        for number, kind, start, _ in fields(message)
        if kind == VARINT
    }
