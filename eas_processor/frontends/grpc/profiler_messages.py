"""The messages of `tensorflow.ProfilerService`: those fields that mean something here."""

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
# Of the options.
_HOST_LEVEL, _DEVICE_LEVEL, _VERSION = 2, 3, 5
_DEFAULT_LEVELS = {"host_tracer_level": 2, "device_tracer_level": 1}
_MOST_DETAIL = 3


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
    """Return what a `ProfileRequest` asks for. Raises MalformedError."""
    levels = _DEFAULT_LEVELS
    for number, kind, start, stop in fields(message):
        if (number, kind) == (_OPTIONS, LENGTH):
            levels = _levels(_numbers(message[start:stop]))
    return ProfileRequest(_numbers(message).get(_DURATION_MS, 0) / 1e3, levels)


def _levels(options: dict[int, int]) -> dict[str, int]:
    """Return the levels of `ProfileOptions`; those without a version mean the usual ones."""
    if not options.get(_VERSION):
        return _DEFAULT_LEVELS
    return {
        "host_tracer_level": min(options.get(_HOST_LEVEL, 0), _MOST_DETAIL),
        "device_tracer_level": min(options.get(_DEVICE_LEVEL, 0), _MOST_DETAIL),
    }


def read_monitor(message: bytes) -> MonitorRequest:
    """Return what a `MonitorRequest` asks for. Raises MalformedError."""
    given = _numbers(message)
    return MonitorRequest(given.get(_DURATION_MS, 0) / 1e3, given.get(2, 1), bool(given.get(3)))


def write_profile(profiles: dict[str, bytes]) -> bytes:
    """
    Return a `ProfileResponse`: each profile as the data of a tool of that name.

    A client writes each into a file, whose name ends with the tool's.
    """
    tools = (
        length_field(6, text_field(1, name) + length_field(2, profile))
        for name, profile in profiles.items()
    )
    return b"".join(tools) or number_field(7, 1)


def write_monitor(report: str) -> bytes:
    """Return a `MonitorResponse` that shows this text."""
    return text_field(1, report)


def _numbers(message: bytes) -> dict[int, int]:
    """Return the fields that are numbers; the last of repeated ones."""
    return {
        number: read_varint(message, start)[0]
        for number, kind, start, _ in fields(message)
        if kind == VARINT
    }
