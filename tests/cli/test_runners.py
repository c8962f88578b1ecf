"""The options of commands, as what runs gets them."""

from __future__ import annotations

import os
from typing import Any

import pytest

from eas_processor.cli import logs, main, serve
from eas_processor.contracts.settings import EngineSettings


@pytest.mark.parametrize(("options", "seconds"), [([], 650), (["--idle-timeout", "3700"], 3700)])
def test_idle_connections_are_kept_longer_than_a_balancer_keeps_them(
    monkeypatch: pytest.MonkeyPatch, options: list[str], seconds: int
) -> None:
    given: list[EngineSettings] = []

    def keep(paths: object, settings: EngineSettings, **_: Any) -> None:
        given.append(settings)

    monkeypatch.setattr(logs, "set_up", lambda *, verbose: None)
    monkeypatch.setattr(serve, "serve", keep)
    assert main.main(["serve", "service.json", *options]) == 0
    assert given[0].idle_timeout == seconds
    assert EngineSettings().idle_timeout > 620


def test_numpy_starts_no_thread_for_each_core_in_the_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    assert main.main(["serve", "service.json", "--tls-key", "key.pem"]) == 1
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
