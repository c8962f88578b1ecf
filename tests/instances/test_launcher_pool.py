from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eas_processor.errors import StartError
from eas_processor.instances import launcher_pool as module
from eas_processor.instances.launcher_pool import LauncherPool


class FakeLauncher:
    def __init__(self, number: int, settings: Any, on_exit: Any) -> None:
        self.settings, self.ended, self.killed, self.stopped = settings, False, False, False
        self.starts = 0

    async def start(self, socket: Path) -> None:
        self.starts += 1
        if self.settings == "broken":
            raise StartError("it does not start")

    def serves(self, settings: Any) -> bool:
        return not self.ended and bool(self.settings == settings)

    def kill(self) -> None:
        self.killed = self.ended = True

    async def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> LauncherPool:
    monkeypatch.setattr(module, "Launcher", FakeLauncher)
    return LauncherPool(Path("/nowhere"), lambda number, how: None)


async def test_settings_that_are_alike_share_a_launcher(pool: Any) -> None:
    first = await pool.get("a")
    assert await pool.get("a") is first and first.starts == 1
    other = await pool.get("b")
    assert other is not first and len(pool) == 2
    await pool.stop()
    assert first.stopped and other.stopped


async def test_one_that_has_ended_is_forgotten(pool: Any) -> None:
    first = await pool.get("a")
    first.ended = True
    assert await pool.get("a") is not first
    assert len(pool) == 1


async def test_one_that_does_not_start_is_killed(pool: Any) -> None:
    with pytest.raises(StartError):
        await pool.get("broken")
    assert await pool.get("a")
    assert len(pool) == 1


async def test_a_stranger_is_hung_up_on(pool: Any) -> None:
    assert pool.introduced({"launcher": 7}, None) is None
