"""Which versions of one model serve, as its directory changes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fixtures.yard import Yard, until

from eas_processor.app.models.host import ModelHost
from eas_processor.config.models import All, Latest, ModelConfig, Policy, Specific
from eas_processor.errors import SetupError, UpdateError
from eas_processor.serving.registry import Phase
from eas_processor.serving.version_states import Stage

TFS = frozenset(["tfs"])


def host_of(yard: Yard, policy: Policy = Latest()) -> ModelHost:  # noqa: B008
    config = ModelConfig("m", yard.root / "m", policy)
    host = ModelHost(config, yard.desk.shares, yard.loading, TFS)
    yard.desk.registry.add(host.entry)
    return host


def stages(host: ModelHost) -> dict[int, str]:
    return {number: state.stage.value for number, state in host.entry.states.items()}


def begin_call(service: Any) -> Any:
    """Return a call that the version has begun, and that keeps it until it is ended."""
    call = type("Call", (), {"number": 1, "deadline": 0.0, "line": None})()
    service.admission.begin(call)
    return call


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Latest(), [7]),
        (Latest(2), [3, 7]),
        (All(), [1, 3, 7]),
        (Specific((1, 3)), [1, 3]),
        (Specific((1, 9)), [1]),
    ],
)
async def test_the_policy_says_which_versions_serve(
    yard: Yard, policy: Policy, expected: list[int]
) -> None:
    yard.make("m", "00000001", 3, 7, "tmp", "7.part")
    host = host_of(yard, policy)
    await host.look()
    await until(lambda: host.available == set(expected))
    assert sorted(host.entry.versions) == expected and host.entry.phase is Phase.SERVING


async def test_a_new_version_serves_before_the_old_one_goes(yard: Yard) -> None:
    yard.make("m", 1)
    host = host_of(yard)
    await host.look()
    await host.wait_until_settled()
    yard.desk.may_start.clear()
    yard.make("m", 2)
    await host.look()
    await asyncio.sleep(0.02)
    assert host.available == {1} and stages(host) == {1: "AVAILABLE", 2: "LOADING"}
    yard.desk.may_start.set()
    await until(lambda: stages(host) == {1: "END", 2: "AVAILABLE"})
    assert list(host.entry.versions) == [2] and yard.desk.made[0].stopped


async def test_a_version_that_has_calls_goes_when_they_are_answered(yard: Yard) -> None:
    yard.make("m", 1)
    host = host_of(yard)
    await host.look()
    await host.wait_until_settled()
    old = host.entry.versions[1]
    call = begin_call(old)
    yard.make("m", 2)
    await host.look()
    await until(lambda: stages(host) == {1: "UNLOADING", 2: "AVAILABLE"})
    await asyncio.sleep(0.05)
    assert not yard.desk.made[0].stopped and host.entry.latest is not old
    old.admission.end(call)
    await until(lambda: stages(host)[1] == "END" and yard.desk.made[0].stopped)


async def test_a_version_that_cannot_be_loaded_takes_nothing_away(yard: Yard) -> None:
    yard.make("m", 2)
    yard.broken["m", 3] = "no graph"
    host = host_of(yard)
    await host.look()
    await host.wait_until_settled()
    yard.make("m", 3)
    await host.look()
    await until(lambda: stages(host) == {2: "AVAILABLE", 3: "END"})
    assert host.entry.states[3].message == "no graph" and host.available == {2}
    for _ in range(3):
        await host.look()
    assert yard.tried.count(("m", 3)) == 1, "it is not tried again"
    yard.make("m", 4)
    await host.look()
    await until(lambda: host.available == {4})
    assert stages(host) == {2: "END", 3: "END", 4: "AVAILABLE"}


async def test_a_version_that_failed_is_tried_again_when_it_has_gone_and_come_back(
    yard: Yard,
) -> None:
    yard.make("m", 1)
    yard.broken["m", 1] = "half of it is missing"
    host = host_of(yard)
    await host.look()
    await host.wait_until_settled()
    assert not host.available and host.failures == {1: "half of it is missing"}
    assert host.entry.phase is Phase.FAILED and "half of it" in host.entry.reason
    yard.drop("m", 1)
    await host.look()
    yard.broken.clear()
    yard.make("m", 1)
    await host.look()
    await until(lambda: host.available == {1})
    assert host.entry.phase is Phase.SERVING


async def test_loads_are_tried_again_as_often_as_is_said(yard: Yard) -> None:
    yard.make("m", 1)
    yard.broken["m", 1] = "busy"
    yard.loading = type(yard.loading)(yard.loading.plan, retries=2, interval=0.01)
    host = host_of(yard)
    await host.look()
    await host.wait_until_settled()
    assert yard.tried == [("m", 1)] * 3 and host.failures == {1: "busy"}


async def test_a_directory_that_cannot_be_read_takes_nothing_away(yard: Yard) -> None:
    path = yard.make("m", 1)
    host = host_of(yard)
    await host.look()
    await host.wait_until_settled()
    path.rename(path.with_name("away"))
    await host.look()
    assert host.available == {1}


async def test_an_empty_directory_unloads_everything(yard: Yard) -> None:
    yard.make("m", 1)
    host = host_of(yard)
    await host.look()
    await host.wait_until_settled()
    yard.drop("m", 1)
    await host.look()
    await until(lambda: stages(host) == {1: "END"})
    assert not host.entry.versions


async def test_a_version_that_goes_while_it_loads_is_cancelled(yard: Yard) -> None:
    yard.make("m", 1)
    yard.desk.may_start.clear()
    host = host_of(yard)
    await host.look()
    await until(lambda: yard.desk.made)
    yard.drop("m", 1)
    await host.look()
    await until(lambda: stages(host) == {1: "END"})
    assert host.entry.states[1].message == "Loading of servable cancelled"
    assert yard.desk.made[0].stopped and not host.entry.versions


async def test_a_version_that_comes_back_while_it_goes_waits_for_its_end(yard: Yard) -> None:
    yard.make("m", 1, 2)
    host = host_of(yard, Specific((1, 2)))
    await host.look()
    await until(lambda: host.available == {1, 2})
    old = host.entry.versions[1]
    call = begin_call(old)
    host.config = ModelConfig("m", yard.root / "m", Specific((2,)))
    await host.look()
    await until(lambda: stages(host)[1] == "UNLOADING")
    host.config = ModelConfig("m", yard.root / "m", Specific((1, 2)))
    await host.look()
    await asyncio.sleep(0.05)
    assert stages(host)[1] == "UNLOADING"
    old.admission.end(call)
    await until(lambda: host.available == {1, 2})
    assert host.entry.versions[1] is not old


async def test_a_version_that_goes_again_before_its_turn_is_not_loaded(yard: Yard) -> None:
    yard.make("m", 1, 2)
    host = host_of(yard, Specific((1, 2)))
    await host.look()
    await until(lambda: host.available == {1, 2})
    old = host.entry.versions[1]
    call = begin_call(old)
    for wanted in ((2,), (1, 2), (2,)):
        host.config = ModelConfig("m", yard.root / "m", Specific(wanted))
        await host.look()
    old.admission.end(call)
    await until(lambda: yard.desk.made[0].stopped or yard.desk.made[1].stopped)
    await asyncio.sleep(0.05)
    assert list(host.entry.versions) == [2] and yard.tried.count(("m", 1)) == 1
    await host.stop()


async def test_a_look_that_is_over_after_the_removal_changes_nothing(yard: Yard) -> None:
    yard.make("m", 1)
    host = host_of(yard)
    look = asyncio.create_task(host.look())
    await asyncio.sleep(0)
    await host.remove()
    await look
    await host.wait_until_settled()
    await asyncio.sleep(0.02)
    assert not yard.tried and not host.entry.states


async def test_a_look_at_a_directory_that_is_no_longer_configured_changes_nothing(
    yard: Yard,
) -> None:
    yard.make("m", 1)
    host = host_of(yard)
    look = asyncio.create_task(host.look())
    await asyncio.sleep(0)
    host.config = ModelConfig("m", yard.root / "other")
    await look
    assert not host.entry.states


async def test_a_look_that_can_start_no_thread_takes_nothing_away(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    yard.make("m", 1)
    host = host_of(yard)
    await host.look()
    await host.wait_until_settled()
    monkeypatch.setattr("threading.Thread.start", refuse)
    await host.look()
    assert host.available == {1}


async def test_its_end_leaves_nothing(yard: Yard) -> None:
    yard.make("m", 1, 2)
    host = host_of(yard, All())
    await host.look()
    await until(lambda: host.available == {1, 2})
    await host.remove()
    assert not len(yard.desk.registry) and all(each.stopped for each in yard.desk.made)
    assert {state.stage for state in host.entry.states.values()} == {Stage.END}


async def test_a_stop_ends_what_loads_and_what_goes(yard: Yard) -> None:
    yard.make("m", 1)
    host = host_of(yard)
    await host.look()
    await host.wait_until_settled()
    begin_call(host.entry.versions[1])
    yard.make("m", 2)
    await host.look()
    await until(lambda: stages(host) == {1: "UNLOADING", 2: "AVAILABLE"})
    yard.desk.may_start.clear()
    yard.make("m", 3)
    await host.look()
    await until(lambda: len(yard.desk.made) == 3)
    await host.stop()
    assert [each.stopped for each in yard.desk.made] == [True] * 3


async def test_a_reload_tells_what_cannot_be_loaded(yard: Yard) -> None:
    yard.make("m", 1)
    host = host_of(yard)
    assert (await host.reload())["version"] == 1
    yard.make("m", 2)
    yard.broken["m", 2] = "no graph"
    with pytest.raises(SetupError, match="version 2 of m cannot be loaded: no graph"):
        await host.reload()
    yard.make("m", 3)
    assert (await host.reload())["version"] == 3
    for number in (1, 2, 3):
        yard.drop("m", number)
    async with asyncio.timeout(20):
        assert (await host.reload())["version"] == 0
    with pytest.raises(UpdateError):
        await host.rollback()
