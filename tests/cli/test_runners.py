"""The options of commands, as what runs gets them."""

from __future__ import annotations

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
