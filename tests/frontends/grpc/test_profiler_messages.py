from __future__ import annotations

import pytest

from eas_processor.frontends.grpc.profiler_messages import (
    MonitorRequest,
    ProfileRequest,
    read_monitor,
    read_profile,
    write_monitor,
    write_profile,
)
from eas_processor.frontends.grpc.wire import MalformedError

# As `tf.profiler.experimental.client.trace` of TensorFlow 2.21 sends it, for 500 ms.
FROM_TENSORFLOW = (
    b"\x08\xf4\x03\x10\xc0\x84\x3d\x1a\x0ctrace_viewer\x1a\x09xplane.pb"
    b'"\x28\x08\x01\x10\x02\x18\x01\x28\x018\x01@\xee\xc4\xcd\xa1\x9b\xba\x8e\xf6\x18H\xf4\x03'
    b"R\x0f/home/a/logdir1*\x1f/home/a/logdir1/plugins/profile"
    b"2\x132026_11_28_13_52_04:\x0e127.0.0.1:7702"
)
DEFAULT_LEVELS = {"host_tracer_level": 2, "device_tracer_level": 1}


def test_a_request_of_tensorflows_client_is_read() -> None:
    assert read_profile(FROM_TENSORFLOW) == ProfileRequest(0.5, DEFAULT_LEVELS)


@pytest.mark.parametrize(
    "options, levels",
    [
        (b"", DEFAULT_LEVELS),
        (b"\x10\x03", DEFAULT_LEVELS),  # without a version
        (b"\x28\x01\x10\x03\x18\x00\x20\x01", {"host_tracer_level": 3, "device_tracer_level": 0}),
        (b"\x28\x01\x10\xff\xff\x03", {"host_tracer_level": 3, "device_tracer_level": 0}),
    ],
)
def test_levels_are_those_of_the_options(options: bytes, levels: dict[str, int]) -> None:
    message = b"\x08\x64\x22" + bytes([len(options)]) + options
    assert read_profile(message) == ProfileRequest(0.1, levels)


@pytest.mark.parametrize(
    "message, sentence",
    [
        (b"\x08", "cut off"),
        (b"\x2a\x05abc", "beyond the end"),
        (b"\x22\x02\x10\x80", "cut off"),  # in the options
        (b"\x20\x01" * 10_001, "more than 10000 fields"),
    ],
)
def test_what_is_no_message_is_refused(message: bytes, sentence: str) -> None:
    with pytest.raises(MalformedError, match=sentence):
        read_profile(message)


def test_fields_of_a_wrong_type_or_unknown_are_skipped() -> None:
    assert read_profile(b"\x0a\x01\x05\x20\x07\xa2\x06\x01x").seconds == 0.0


def test_each_profile_is_the_data_of_a_tool() -> None:
    assert write_profile({"m-1-1.xplane.pb": b"x" * 200}) == (
        b"\x32\xdc\x01" + b"\x0a\x0fm-1-1.xplane.pb" + b"\x12\xc8\x01" + b"x" * 200
    )


def test_no_profile_is_an_empty_trace() -> None:
    assert write_profile({}) == b"\x38\x01"


def test_a_monitor_request_and_its_answer() -> None:
    assert read_monitor(b"\x08\xe8\x07\x10\x02\x18\x01") == MonitorRequest(1.0, 2, True)
    assert read_monitor(b"") == MonitorRequest(0.0, 1, False)
    assert write_monitor("busy") == b"\x0a\x04busy"
