from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from fixtures.fake_supervisor import FakeSupervisor

from eas_processor.contracts.backend import State
from eas_processor.errors import StartError, UpdateError
from eas_processor.serving.rollout import allowance, roll


@pytest.mark.parametrize(
    ("share", "instances", "up", "expected"),
    [
        (0, 4, True, 0),
        (3, 4, True, 3),
        ("3", 4, True, 3),
        ("2%", 4, True, 1),
        ("2%", 4, False, 0),
        ("50%", 4, False, 2),
        ("50%", 5, False, 2),
        ("50%", 5, True, 3),
        ("100%", 3, True, 3),
        ("0%", 3, True, 0),
    ],
)
def test_a_surge_is_rounded_up_and_what_may_be_missing_down(
    share: int | str, instances: int, up: bool, expected: int
) -> None:
    assert allowance(share, instances, up=up) == expected


@pytest.fixture
def versions(service: Any) -> Any:
    """Makes a version before and one after, with the given settings of the second."""

    def make(instances: int, **changes: Any) -> Any:
        before = service(model_config="old", instances=instances)
        wanted = changes.pop("wanted", instances)
        return before, service(model_config="new", instances=wanted, **changes)

    return make


@pytest.mark.parametrize(
    ("instances", "surge", "unavailable", "most", "fewest"),
    [
        (4, "2%", 0, 5, 4),
        (4, 2, 0, 6, 4),
        (4, "100%", 0, 8, 4),
        (1, "2%", 0, 2, 1),
        (4, 0, 1, 4, 3),
        (4, 0, "50%", 4, 2),
        (1, 0, 1, 1, 0),
        # Neither above nor below is no update at all: one more is taken.
        (3, 0, 0, 4, 3),
        # A share that is rounded down to nothing.
        (3, 0, "10%", 4, 3),
    ],
)
async def test_no_more_and_no_fewer_than_allowed(
    versions: Any, instances: int, surge: Any, unavailable: Any, most: int, fewest: int
) -> None:
    before, after = versions(instances, max_surge=surge, max_unavailable=unavailable)
    supervisor = FakeSupervisor(before)
    await roll(supervisor, before, after)  # type: ignore[arg-type]
    assert supervisor.configs == ["new"] * instances
    assert len(supervisor.instances) == instances and supervisor.settings is after
    assert (supervisor.most, supervisor.fewest) == (most, fewest)


@pytest.mark.parametrize("wanted", [1, 5])
async def test_the_new_version_may_have_another_number_of_instances(
    versions: Any, wanted: int
) -> None:
    before, after = versions(3, wanted=wanted)
    supervisor = FakeSupervisor(before)
    await roll(supervisor, before, after)  # type: ignore[arg-type]
    assert supervisor.configs == ["new"] * wanted
    assert supervisor.fewest >= min(3, wanted)


@pytest.mark.parametrize(("surge", "unavailable"), [("2%", 0), (0, 2), (0, "100%")])
async def test_the_old_version_is_whole_again_when_the_new_one_does_not_start(
    versions: Any, surge: Any, unavailable: Any
) -> None:
    before, after = versions(2, max_surge=surge, max_unavailable=unavailable)
    supervisor = FakeSupervisor(before)
    supervisor.broken = {"new"}
    with pytest.raises(StartError, match="does not start"):
        await roll(supervisor, before, after)  # type: ignore[arg-type]
    assert supervisor.configs == ["old", "old"] and supervisor.settings is before


async def test_when_the_old_version_does_not_start_again_either(versions: Any) -> None:
    before, after = versions(2, max_surge=0, max_unavailable=1)
    supervisor = FakeSupervisor(before)
    start = supervisor.start_instance

    async def fail_after_the_first(settings: Any) -> None:
        if "new" in supervisor.configs:
            supervisor.broken = {"new", "old"}
        await start(settings)

    supervisor.start_instance = fail_after_the_first  # type: ignore[method-assign]
    with pytest.raises(
        UpdateError, match=r"it does not start; .* not start again either"
    ) as raised:
        await roll(supervisor, before, after)  # type: ignore[arg-type]
    assert isinstance(raised.value.__cause__, StartError)
    # What is ready serves on, of both versions, until the old one is back.
    assert supervisor.configs == ["new"]
    assert supervisor.settings is before and supervisor.brought_back == ["old", "old"]


async def test_what_started_before_the_failure_is_taken_away(versions: Any) -> None:
    before, after = versions(2)
    supervisor = FakeSupervisor(before)
    start = supervisor.start_instance

    async def fail_after_the_first(settings: Any) -> None:
        if "new" in supervisor.configs:
            supervisor.broken = {"new"}
        await start(settings)

    supervisor.start_instance = fail_after_the_first  # type: ignore[method-assign]
    with pytest.raises(StartError):
        await roll(supervisor, before, replace(after))  # type: ignore[arg-type]
    assert supervisor.configs == ["old", "old"]


async def test_an_old_instance_that_comes_back_meanwhile_does_not_hold_it_up(
    versions: Any,
) -> None:
    before, after = versions(2)
    supervisor = FakeSupervisor(before)
    start = supervisor.start_instance

    async def start_with_another_old_one(settings: Any) -> None:
        supervisor.start_instance = start  # type: ignore[method-assign]
        await asyncio.gather(start(settings), start(before), start(before))

    supervisor.start_instance = start_with_another_old_one  # type: ignore[method-assign]
    await roll(supervisor, before, after)  # type: ignore[arg-type]
    assert supervisor.configs == ["new", "new"]


async def test_an_old_instance_that_died_meanwhile_is_not_retired_again(versions: Any) -> None:
    before, after = versions(2)
    supervisor = FakeSupervisor(before)
    start, dead = supervisor.start_instance, supervisor.instances[0]

    async def start_while_one_dies(settings: Any) -> None:
        await start(settings)
        if dead in supervisor.instances:
            dead.state = State.DEAD
            supervisor.instances.remove(dead)

    supervisor.start_instance = start_while_one_dies  # type: ignore[method-assign]
    await roll(supervisor, before, after)  # type: ignore[arg-type]
    assert supervisor.configs == ["new", "new"] and dead.state is State.DEAD
