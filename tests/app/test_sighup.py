from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from eas_processor.app import sighup as module
from eas_processor.app.sighup import OnSighup, prepare_for_sighup


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("terminal", "handler", "means"),
    [
        (True, signal.SIG_DFL, OnSighup.STOP),
        (True, signal.SIG_IGN, OnSighup.IGNORE),  # nohup
        (False, signal.SIG_DFL, OnSighup.RELOAD),
        (False, signal.SIG_IGN, OnSighup.RELOAD),
    ],
)
def test_what_it_means(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, handler: signal.Handlers, means: OnSighup
) -> None:
    monkeypatch.setattr(module, "_has_terminal", lambda: terminal)
    signal.signal(signal.SIGHUP, handler)
    assert prepare_for_sighup() is means
    # Until the engine listens, what would end the process must not.
    waits = signal.SIG_IGN if means is OnSighup.RELOAD else handler
    assert signal.getsignal(signal.SIGHUP) is waits
