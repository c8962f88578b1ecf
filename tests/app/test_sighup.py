from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from eas_processor.app import sighup as module
from eas_processor.app.sighup import HangUp, prepare_for_hang_up


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("terminal", "handler", "means"),
    [
        (True, signal.SIG_DFL, HangUp.STOP),
        (True, signal.SIG_IGN, HangUp.IGNORE),  # nohup
        (False, signal.SIG_DFL, HangUp.RELOAD),
        (False, signal.SIG_IGN, HangUp.RELOAD),
    ],
)
def test_what_it_means(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, handler: signal.Handlers, means: HangUp
) -> None:
    monkeypatch.setattr(module, "_has_terminal", lambda: terminal)
    signal.signal(signal.SIGHUP, handler)
    assert prepare_for_hang_up() is means
    # Until the engine listens, what would end the process must not.
    waits = signal.SIG_IGN if means is HangUp.RELOAD else handler
    assert signal.getsignal(signal.SIGHUP) is waits
