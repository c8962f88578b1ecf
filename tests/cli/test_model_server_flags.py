from __future__ import annotations

import re
from pathlib import Path

import pytest

from eas_processor.cli import model_server
from eas_processor.cli.model_server_flags import FLAGS, read_flags
from eas_processor.errors import CallError


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--port=1", "--rest_api_port", "2"], {"port": 1, "rest_api_port": 2}),
        (
            ["-model_name=m", "--model_base_path=/a=b"],
            {"model_name": "m", "model_base_path": "/a=b"},
        ),
        (["--enable_batching"], {"enable_batching": True}),
        (["--enable_batching", "--port=1"], {"enable_batching": True, "port": 1}),
        (["--enable_batching", "false"], {"enable_batching": False}),
        (["--enable_model_warmup=0"], {"enable_model_warmup": False}),
        (["--rest_api_enable_cors_support=TRUE"], {"rest_api_enable_cors_support": True}),
        (["--per_process_gpu_memory_fraction=0.5"], {"per_process_gpu_memory_fraction": 0.5}),
        (["--load_retry_interval_micros=-1"], {"load_retry_interval_micros": -1}),
        (
            ["--grpc_channel_arguments=grpc.so_reuseaddr=1,a=b"],
            {"grpc_channel_arguments": "grpc.so_reuseaddr=1,a=b"},
        ),
        (
            [],
            {"port": 8500, "rest_api_port": 0, "model_name": "default", "max_num_load_retries": 5},
        ),
    ],
)
def test_flags_are_read_as_theirs_are(words: list[str], expected: dict[str, object]) -> None:
    flags = read_flags(words)
    assert {name: getattr(flags, name) for name in expected} == expected
    assert not flags.unknown


def test_a_flag_that_nothing_reads_says_so() -> None:
    source = Path(model_server.__file__).read_text()
    silent = [
        name
        for name, flag in FLAGS.items()
        if not flag.no_effect and not re.search(rf"\bflags\.{name}\b", source)
    ]
    assert not silent


def test_what_is_unknown_is_kept_apart() -> None:
    flags = read_flags(["--nonsense=1", "stray", "--port=1"])
    assert flags.unknown == ["--nonsense=1", "stray"] and flags.port == 1


def test_what_has_no_effect_is_told_where_it_asks_for_something() -> None:
    flags = read_flags(["--use_alts_credentials", "--num_load_threads=0", "--grpc_max_threads=8"])
    assert flags.notes() == [
        "--use_alts_credentials has no effect: ALTS is not built into this server",
        "--grpc_max_threads has no effect: one event loop serves all connections",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port=abc"], "--port: expected a whole number, got 'abc'"),
        (["--port=70000"], "--port: expected a port from 0 to 65535, got 70000"),
        (["--enable_batching=maybe"], "--enable_batching: expected true or false, got 'maybe'"),
        (["--per_process_gpu_memory_fraction=x"], "expected a number, got 'x'"),
        (["--model_name"], "--model_name needs a value"),
    ],
)
def test_a_value_that_cannot_be_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(CallError) as caught:
        read_flags(words)
    assert said in str(caught.value)


def test_there_are_48_of_them() -> None:
    assert len(FLAGS) == 48
