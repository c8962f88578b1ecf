from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from eas_processor.errors import KilledError, StartError
from eas_processor.instances import launcher_pool as module
from eas_processor.instances.launcher_pool import LauncherPool


class FakeLauncher:
    """It forks unless its hooks are "threaded", and does not start when they are "broken"."""

    made: list[FakeLauncher] = []  # noqa: RUF012 - emptied by the fixture

    def __init__(self, settings: Any, processes: Any, on_end: Any, *, copy: bool = False) -> None:
        self.settings, self.ended, self.stopped, self.copy = settings, False, False, copy
        self._on_end = on_end
        self.forks = settings.hooks != "threaded"
        self.made.append(self)

    async def start(self) -> None:
        await asyncio.sleep(0)
        if self.settings.hooks == "broken":
            raise StartError("it does not start")

    async def fork(self, on_end: Any) -> FakeLauncher:
        await asyncio.sleep(0)
        if self.ended:
            raise KilledError("it is lost")
        return FakeLauncher(self.settings, None, on_end, copy=True)

    def serves(self) -> bool:
        return self.forks and not self.ended

    def die(self) -> None:
        self.ended = True
        self._on_end(self)

    def close(self) -> None:
        pass

    def kill(self) -> None:
        self.stopped = self.ended = True

    async def stop(self) -> None:
        self.stopped = True


def settings(hooks: str, **environment: str) -> Any:
    return SimpleNamespace(python="python", code="code", hooks=hooks, environment=environment)


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(module, "Launcher", FakeLauncher)
    monkeypatch.setattr(module, "_AGAIN_S", 0.001)
    FakeLauncher.made = []
    return LauncherPool(None)  # type: ignore[arg-type]


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_settings_that_are_alike_share_a_launcher(pool: Any) -> None:
    first, same = await asyncio.gather(pool.get(settings("a")), pool.get(settings("a")))
    assert first is same
    others = [await pool.get(settings("b")), await pool.get(settings("a", CUDA="1"))]
    assert len({first, *others}) == len(pool) == 3
    await pool.stop()
    assert all(each.stopped for each in FakeLauncher.made)


async def test_the_spare_takes_over_and_has_a_spare_itself(pool: Any) -> None:
    first = await pool.get(settings("a"))
    await turns()
    _, spare = FakeLauncher.made
    assert spare.copy
    first.die()
    assert await pool.get(settings("a")) is spare
    await turns()
    second_spare = FakeLauncher.made[-1]
    second_spare.die()
    await turns()
    assert await pool.get(settings("a")) is spare
    spare.die()
    third = await pool.get(settings("a"))
    assert third.copy and third not in (first, spare, second_spare)
    assert sum(not each.copy for each in FakeLauncher.made) == 1, "it was imported once"
    await pool.stop()


async def test_when_both_are_gone_another_is_started(pool: Any) -> None:
    await pool.get(settings("a"))
    await turns()
    first, spare = FakeLauncher.made
    spare.ended = True
    first.die()
    spare.die()
    fresh = await pool.get(settings("a"))
    assert not fresh.copy and fresh is not first
    await pool.stop()


async def test_a_copy_that_is_lost_is_made_again(
    pool: Any, monkeypatch: pytest.MonkeyPatch, eventually_async: Any
) -> None:
    fork, failures = FakeLauncher.fork, iter([True, True])

    async def sometimes(self: FakeLauncher, on_end: Any) -> FakeLauncher:
        if next(failures, False):
            raise StartError("no memory")
        return await fork(self, on_end)

    monkeypatch.setattr(FakeLauncher, "fork", sometimes)
    await pool.get(settings("a"))
    await eventually_async(lambda: [each.copy for each in FakeLauncher.made] == [False, True])
    await pool.stop()


async def test_one_that_does_not_start_is_killed_and_tried_again(pool: Any) -> None:
    for _ in range(2):
        with pytest.raises(StartError):
            await pool.get(settings("broken"))
    assert [each.stopped for each in FakeLauncher.made] == [True, True]
    await pool.stop()


async def test_whoever_waits_for_a_start_that_fails_has_its_failure(pool: Any) -> None:
    outcomes = await asyncio.gather(
        *(pool.get(settings("broken")) for _ in range(5)), return_exceptions=True
    )
    assert [str(each) for each in outcomes] == ["it does not start"] * 5
    assert len(FakeLauncher.made) == 1
    await pool.stop()


async def test_a_kill_is_nothing_to_whoever_waits(
    pool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, kills = FakeLauncher.start, iter([True])

    async def killed_once(self: FakeLauncher) -> None:
        await asyncio.sleep(0)
        if next(kills, False):
            raise KilledError("somebody killed it")
        await start(self)

    monkeypatch.setattr(FakeLauncher, "start", killed_once)
    outcomes = await asyncio.gather(
        *(pool.get(settings("a")) for _ in range(3)), return_exceptions=True
    )
    assert isinstance(outcomes[0], KilledError)
    assert outcomes[1:] == [FakeLauncher.made[1]] * 2
    await pool.stop()


async def test_one_that_ends_at_once_is_not_kept(
    pool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = FakeLauncher.start

    async def and_die(self: FakeLauncher) -> None:
        await start(self)
        self.die()

    monkeypatch.setattr(FakeLauncher, "start", and_die)
    dead = await pool.get(settings("a"))
    assert dead.ended and len(pool) == 0
    await pool.stop()
    assert not dead.stopped, "there is nothing to stop"


async def test_what_cannot_be_forked_is_started_for_each(pool: Any) -> None:
    first, second = await pool.get(settings("threaded")), await pool.get(settings("threaded"))
    await turns()
    assert FakeLauncher.made == [first, second]
    await pool.stop()
    assert first.stopped and second.stopped


async def test_a_launcher_that_nobody_needs_any_more_ends_after_a_while(
    pool: Any, monkeypatch: pytest.MonkeyPatch, eventually_async: Any
) -> None:
    monkeypatch.setattr(module, "_KEPT_S", 0.02)
    first = await pool.get(settings("a"))
    await pool.get(settings("a"))
    pool.release(settings("a"))
    await asyncio.sleep(0.05)
    assert not first.stopped, "one user is left"
    pool.release(settings("a"))
    assert await pool.get(settings("a")) is first
    await asyncio.sleep(0.05)
    assert not first.stopped, "somebody came in time"
    pool.release(settings("a"))
    await eventually_async(lambda: first.stopped and len(pool) == 0)
    assert all(each.stopped for each in FakeLauncher.made)
    assert await pool.get(settings("a")) is not first
    await pool.stop()
