"""
An engine ends, and its workers are killed and replaced, under three gRPC clients of others.

CHAOS_ENDS is how often it is ended under each client (2 unless set), CHAOS_SECONDS how long workers
are killed (5 unless set), and CHAOS_UPDATES how often they are replaced (3 unless set).
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chaos.grpc_load import H2Load, Load, NodeLoad, PythonLoad, Target
from fixtures.many import Many, eventually, write_service

pytestmark = pytest.mark.chaos
ENDS = int(os.environ.get("CHAOS_ENDS", "2"))
SECONDS = float(os.environ.get("CHAOS_SECONDS", "5"))
UPDATES = int(os.environ.get("CHAOS_UPDATES", "3"))
LOADED_S = 1.0
"""Clients are under way before the engine is told to end."""
SERVICE = {"processor": "codec_stub", "frontends": ["eas", "grpc"]}
MODEL_SPEC = b"\x0a\x03\x0a\x01a"
"""Of a PredictRequest, which names the service `a`."""
BODY = MODEL_SPEC + b"\x7a\x20" + bytes(range(32))
"""With an unknown field, which makes the echo of it known again."""
LOADS = [PythonLoad, NodeLoad, H2Load]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Many]]:
    started: list[Many] = []

    def make(**keys: Any) -> Many:
        file = write_service(tmp_path / "a.json", **SERVICE, **keys)
        started.append(Many(tmp_path, file))
        engine = started[-1]
        eventually(lambda: engine.get("/readyz")[0] == 200)
        return engine

    yield make
    for engine in started:
        engine.kill()


def target_of(engine: Many) -> Target:
    host, port = engine.address
    path = "/tensorflow.serving.PredictionService/Predict"
    return Target(f"{host}:{port}", path, BODY, engine.token("a"))


@pytest.mark.parametrize("load", LOADS)
def test_sigterm_loses_no_call(start: Callable[..., Many], load: Callable[[Target], Load]) -> None:
    for number in range(ENDS):
        engine = start()
        calls = load(target_of(engine))
        time.sleep(LOADED_S)
        assert engine.stop() == 0
        calls.wait()
        print(f"end {number + 1}: {dict(calls.fates)}")
        assert calls.fates["OK"] and set(calls.fates) == {"OK"}
        assert not engine.tracebacks


def kill_workers(engine: Many) -> int:
    """Kill one of two workers again and again, as soon as both serve; return how often."""
    kills, end = 0, time.monotonic() + SECONDS
    while time.monotonic() < end:
        eventually(lambda: [each["state"] for each in engine.instances("a")] == ["ready"] * 2)
        os.kill(engine.pids("a")[kills % 2], signal.SIGKILL)
        kills += 1
        time.sleep(0.1)
    return kills


@pytest.mark.parametrize("load", LOADS)
def test_workers_that_are_killed_lose_no_call(
    start: Callable[..., Many], load: Callable[[Target], Load]
) -> None:
    engine = start(metadata={"instance": 2, "rpc": {"keepalive": 30000}})
    calls = load(target_of(engine))
    kills = kill_workers(engine)
    assert engine.stop() == 0
    calls.wait()
    print(f"{kills} kills in {SECONDS:g} s: {dict(calls.fates)}")
    assert calls.fates["OK"] and set(calls.fates) == {"OK"}
    assert not engine.tracebacks


@pytest.mark.parametrize("load", LOADS)
def test_updates_lose_no_call(
    start: Callable[..., Many], load: Callable[[Target], Load], tmp_path: Path
) -> None:
    engine = start(model_config="version 0")
    calls = load(target_of(engine))
    before = engine.pids("a")
    for number in range(UPDATES):
        write_service(tmp_path / "a.json", **SERVICE, model_config=f"version {number + 1}")
        done = engine.eascmd("reload", "a")
        assert done.returncode == 0, done.stderr
    assert not set(before) & set(engine.pids("a"))
    assert engine.stop() == 0
    calls.wait()
    print(f"{UPDATES} updates: {dict(calls.fates)}")
    assert calls.fates["OK"] and set(calls.fates) == {"OK"}
    assert not engine.tracebacks
