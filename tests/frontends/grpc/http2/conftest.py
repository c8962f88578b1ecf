"""The echo server of these tests: one for all in this process, or processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from frontends.grpc.http2.running_echo import EchoInThread, RunningEcho


@pytest.fixture
def start_echo() -> Iterator[Callable[..., RunningEcho]]:
    """Return what starts a server with fields of `EngineSettings` replaced: `head_timeout=0.5`."""
    started: list[RunningEcho] = []

    def start(**settings: float) -> RunningEcho:
        started.append(RunningEcho(**settings))
        return started[-1]

    yield start
    for each in started:
        each.stop()


@pytest.fixture(scope="package")
def address() -> Iterator[tuple[str, int]]:
    """Yield the address of one server for all tests that leave it as it was."""
    echo = EchoInThread()
    yield echo.address
    echo.stop()
