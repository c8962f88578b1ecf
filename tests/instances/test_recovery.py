from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from eas_processor.contracts.call import Call
from eas_processor.contracts.settings import ServiceSettings
from eas_processor.errors import StartError
from eas_processor.instances import starts
from eas_processor.instances.instance import Instance
from eas_processor.instances.recovery import Recovery
from eas_processor.instances.starts import Starts
from eas_processor.link import codes
from eas_processor.serving.admission import Admission


class Caught(Call):
    """A call that a worker held when it died."""

    code = -1

    def answer(self, code: int, payload: list[bytes]) -> None:
        self.code = code


class Supervisor:
    """Starts instances that fail as often as the test says."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings
        self.upcoming: ServiceSettings | None = None
        self.fails = 0
        self.started: list[ServiceSettings] = []
        self.trims = 0
        self.jobs: list[asyncio.Task[None]] = []

    def serving(self) -> list[Instance]:
        return []

    def trim(self, *, at_once: bool = True) -> list[asyncio.Task[None]]:
        self.trims += 1
        return []

    def spawn(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        self.jobs.append(asyncio.create_task(job))
        return self.jobs[-1]

    async def start_instance(self, settings: ServiceSettings) -> None:
        if self.fails:
            self.fails -= 1
            raise StartError("the model is broken")
        self.started.append(settings)


class Desk:
    """A recovery, its supervisor and the queue of the service."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.supervisor = Supervisor(settings)
        self.admission = Admission(settings)
        self.recovery = Recovery(self.supervisor, self.admission, Starts())
        dead = SimpleNamespace(settings=settings, failure="it died", how="SIGSEGV", alone=False)
        self.dead = cast("Instance", dead)

    async def die(self) -> Caught:
        caught = Caught()
        self.recovery.died(self.dead, [caught])
        await asyncio.gather(*self.supervisor.jobs)
        return caught


Make = Callable[..., ServiceSettings]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "_PAUSES_S", (0.0,))


async def test_a_dead_instance_is_replaced_and_its_calls_wait(service: Make) -> None:
    desk = Desk(service())
    caught = await desk.die()
    assert caught.code == -1 and desk.admission.has_suspects
    assert desk.supervisor.started == [desk.supervisor.settings]
    metrics = desk.admission.metrics
    assert (metrics.deaths, metrics.restarts, metrics.retries) == (1, 1, 1)
    assert desk.supervisor.trims == 1


async def test_calls_are_refused_where_they_may_not_be_retried(service: Make) -> None:
    desk = Desk(replace(service(), retry_crashed=False))
    caught = await desk.die()
    assert caught.code == codes.UNAVAILABLE
    assert len(desk.supervisor.started) == 1


async def test_an_instance_is_not_replaced_if_the_service_says_so(
    service: Make, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(replace(service(), restart_crashed=False))
    caught = await desk.die()
    assert caught.code == codes.UNAVAILABLE
    assert not desk.supervisor.started
    assert "is not replaced (runtime.enable_crash_block)" in caplog.text


async def test_a_start_is_retried_until_it_succeeds(
    service: Make, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(service())
    desk.supervisor.fails = 2
    await desk.die()
    assert len(desk.supervisor.started) == 1
    assert caplog.text.count("could not start, next try in 0.0 s: the model is broken") == 2


async def test_an_instance_of_the_version_that_an_update_starts_is_replaced_by_its_like(
    service: Make,
) -> None:
    desk = Desk(service())
    other = replace(desk.supervisor.settings, model_stamp="new")
    desk.supervisor.upcoming = other
    await desk.recovery.replace(other)
    assert desk.supervisor.started == [other] and desk.supervisor.trims == 0
