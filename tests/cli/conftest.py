from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def hang_up_as_before() -> Iterator[None]:
    """`eascmd serve` in this process would have SIGHUP ignored in those that later tests start."""
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)
