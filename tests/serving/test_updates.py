from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from fixtures.fake_supervisor import FakeSupervisor

from eas_processor.errors import ServiceFileError, SetupError, UpdateError
from eas_processor.serving.registry import Entry
from eas_processor.serving.tokens import Tokens
from eas_processor.serving.updates import Updates


class Desk:
    """The updates of one service, whose file is what the test says it is."""

    def __init__(self, service: Any) -> None:
        self._service = service
        self.file: Any = service(model_config="old", instances=2)
        self.read = 0
        self.configured: list[Any] = []
        self.supervisor = FakeSupervisor(self.file)
        served: Any = SimpleNamespace(
            instances=self.supervisor,
            settings=self.file,
            configure=self.configured.append,
            enter=lambda _: None,
        )
        self.kept = True
        self.entry = Entry("echo", Tokens(""))
        self.entry.publish(1, served)
        self.updates = Updates(self.entry, self._reread, lambda settings: self.kept)

    def write(self, model_config: str = "old", instances: int = 2, **changes: Any) -> None:
        self.file = self._service(model_config=model_config, instances=instances, **changes)

    @property
    def configs(self) -> list[str]:
        return self.supervisor.configs

    async def _reread(self) -> Any:
        self.read += 1
        if isinstance(self.file, Exception):
            raise self.file
        return self.file


@pytest.fixture
def desk(service: Any) -> Desk:
    return Desk(service)


async def test_a_reload_brings_what_the_file_says_now(desk: Desk) -> None:
    desk.write("new")
    answer = await desk.updates.reload()
    assert answer == {"outcome": "the new version has replaced the old one", "version": 2}
    assert desk.configs == ["new", "new"] and desk.configured == [desk.file]


async def test_a_reload_of_the_same_file_does_nothing(desk: Desk) -> None:
    before = desk.supervisor.instances[:]
    answer = await desk.updates.reload()
    assert answer == {"outcome": "nothing has changed", "version": 1}
    assert desk.supervisor.instances == before and desk.configured == []


@pytest.mark.parametrize(
    "changes",
    [
        {"instances": 4},
        {"instances": 1},
        {"keepalive": 1.0},
        {"max_queue_size": 1},
        {"rate_limit": 5.0},
        {"token": "another"},
        {"previous_token": "before"},
        {"gateway_rate": 3.0},
        {"gateway_concurrency": 3},
        {"max_run": 9.0},
    ],
)
async def test_what_needs_no_new_worker_restarts_none(desk: Desk, changes: Any) -> None:
    before = {id(each) for each in desk.supervisor.instances}
    desk.write(**changes)
    assert (await desk.updates.reload())["outcome"] == "changed without a restart"
    after = {id(each) for each in desk.supervisor.instances}
    assert before <= after or after < before
    assert len(after) == desk.file.instances and desk.configured == [desk.file]


@pytest.mark.parametrize(
    "changes",
    [
        {"model_config": "new"},
        {"build": "tensorflow_cpu_1.15"},
        {"threads": 9},
        {"batch_size": 9},
        {"warm_up": (b"x",)},
        {"model_stamp": "the files of the model are others"},
    ],
)
async def test_what_a_worker_is_started_with_replaces_all(desk: Desk, changes: Any) -> None:
    before = desk.supervisor.instances[:]
    desk.write(**changes)
    assert "replaced" in (await desk.updates.reload())["outcome"]
    assert not any(each in before for each in desk.supervisor.instances)


async def test_a_version_that_does_not_start_leaves_the_old_one(desk: Desk) -> None:
    desk.supervisor.broken = {"new"}
    desk.write("new")
    with pytest.raises(SetupError, match="does not start"):
        await desk.updates.reload()
    assert desk.configs == ["old", "old"] and desk.configured == []
    shown = desk.updates.describe()
    assert shown["version"] == 1
    assert shown["last_update"]["outcome"] == "failed"
    assert shown["last_update"]["reason"] == "it does not start"
    # And there is nothing to go back to.
    with pytest.raises(UpdateError, match="no previous version"):
        await desk.updates.rollback()


async def test_a_file_that_is_wrong_leaves_the_old_version(desk: Desk) -> None:
    desk.file = ServiceFileError("service.json: model_path: it is missing")
    with pytest.raises(ServiceFileError, match="model_path"):
        await desk.updates.reload()
    assert desk.configs == ["old", "old"]


async def test_another_name_is_refused(desk: Desk) -> None:
    desk.write("new", name="other")
    with pytest.raises(UpdateError, match=r"name: .*'other'.*'echo'.* start another service"):
        await desk.updates.reload()
    assert desk.configs == ["old", "old"]


async def test_a_rollback_goes_back_and_another_one_forth(desk: Desk) -> None:
    desk.write("new", keepalive=1.0)
    await desk.updates.reload()
    assert (await desk.updates.rollback())["version"] == 3
    assert desk.configs == ["old", "old"] and desk.configured[-1].keepalive == 5.0
    await desk.updates.rollback()
    assert desk.configs == ["new", "new"] and desk.read == 1


async def test_a_rollback_says_what_it_is(desk: Desk) -> None:
    desk.write("new")
    await desk.updates.reload()
    assert (await desk.updates.rollback())["outcome"] == "the previous version serves again"


async def test_a_model_that_was_overwritten_cannot_be_gone_back_to(desk: Desk) -> None:
    desk.write("new")
    await desk.updates.reload()
    desk.kept = False
    with pytest.raises(UpdateError, match=r"version, /, was overwritten .* directory"):
        await desk.updates.rollback()
    assert desk.configs == ["new", "new"]
    assert desk.updates.describe()["version"] == 2


async def test_limits_can_be_gone_back_to_whatever_became_of_the_model(desk: Desk) -> None:
    desk.write(max_queue_size=1)
    await desk.updates.reload()
    desk.kept = False
    await desk.updates.rollback()
    assert desk.configured[-1].max_queue_size != 1


async def test_updates_go_one_after_the_other(desk: Desk) -> None:
    desk.write("new")
    first = asyncio.create_task(desk.updates.reload())
    second = asyncio.create_task(desk.updates.rollback())
    await asyncio.gather(first, second)
    assert second.result()["version"] == 3
    assert desk.configs == ["old", "old"] and len(desk.supervisor.instances) == 2


async def test_what_is_shown_of_the_instances(desk: Desk) -> None:
    shown = desk.updates.describe()
    assert (shown["service"], shown["wanted"], shown["last_update"]) == ("echo", 2, {})
    assert shown["instances"][0] == {
        "instance": 1,
        "pid": 7,
        "state": "ready",
        "build": "echo",
        "model": "/",
        "requests": 0,
    }
