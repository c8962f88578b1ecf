"""All services of an engine, whose sources and instances are the test's."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fixtures.fake_source import Desk, FakeSource

from eas_processor.app import hosting
from eas_processor.app import services as module
from eas_processor.app.directories import Directories
from eas_processor.app.services import Services
from eas_processor.errors import ModelFetchError, SetupError


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(module, "_LOOK_S", 0.005)
    for name in ("_LOOK_S", "_LOOK_EACH_S"):
        monkeypatch.setattr(hosting, name, 0.005)
    monkeypatch.setattr(hosting, "_PAUSES_S", (0.01,))
    return Desk()


async def test_the_only_service_ends_the_start_when_it_cannot_start(
    desk: Desk, service: Any
) -> None:
    source = FakeSource(service())
    source.failure = ModelFetchError("no model")
    with pytest.raises(SetupError, match="no model"):
        await Services(desk.shares).start_alone(source)


async def test_one_that_cannot_start_does_not_stop_the_others(
    desk: Desk, service: Any, eventually_async: Any
) -> None:
    good, broken = FakeSource(service(name="good")), FakeSource(service(name="bad"), "bad.json")
    broken.failure = ModelFetchError("no model")
    services = Services(desk.shares)
    await services.start_all([broken, good])
    assert desk.serving == ["good"] and all(each.tried for each in desk.registry)
    broken.failure = None
    await eventually_async(lambda: desk.serving == ["good", "bad"])
    await services.stop()
    assert all(each.stopped for each in desk.made)


async def test_services_start_side_by_side(desk: Desk, service: Any) -> None:
    desk.may_start.clear()
    services = Services(desk.shares)
    sources = [FakeSource(service(name=name), f"{name}.json") for name in "abc"]
    start = asyncio.create_task(services.start_all(sources))
    while len(desk.made) < 3:
        await asyncio.sleep(0.001)
    desk.may_start.set()
    await start
    assert sorted(desk.serving) == ["a", "b", "c"]
    await services.stop()


async def test_the_files_of_a_directory(
    desk: Desk, service: Any, tmp_path: Path, eventually_async: Any
) -> None:
    directories = Directories([tmp_path])
    services = Services(desk.shares, watches=True)
    await services.start_all([])
    services.follow(directories, lambda path: FakeSource(service(name=path.stem), str(path)))
    (tmp_path / "a.json").touch()
    await eventually_async(lambda: desk.serving == ["a"])
    (tmp_path / "b.json").touch()
    await eventually_async(lambda: desk.serving == ["a", "b"])
    (tmp_path / "a.json").unlink()
    await eventually_async(lambda: desk.gone == ["a"])
    assert [each.name for each in desk.registry] == ["b"]
    await eventually_async(lambda: desk.made[0].stopped)
    assert not desk.made[1].stopped and len(services.hosts) == 1
    await services.stop()


async def test_a_file_that_tells_another_name_is_another_service(
    desk: Desk, service: Any, eventually_async: Any
) -> None:
    source = FakeSource(service(name="old"))
    services = Services(desk.shares, watches=True)
    await services.start_all([source])
    source.settings, source.last_stamp = service(name="new"), 1
    await eventually_async(lambda: desk.serving == ["old", "new"])
    assert desk.gone == ["old"] and [each.name for each in desk.registry] == ["new"]
    await services.stop()


async def test_everything_is_loaded_again(desk: Desk, service: Any, eventually_async: Any) -> None:
    sources = [FakeSource(service(name=name), f"{name}.json") for name in "ab"]
    services = Services(desk.shares)
    await services.start_all(sources)
    for each in sources:
        each.settings = service(name=each.settings.name, model_config="new")
    services.reload_all()
    await eventually_async(lambda: all(each.changes for each in desk.made))
    await services.stop()


async def test_what_goes_finishes_its_calls_also_in_a_shutdown(
    desk: Desk, service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = Services(desk.shares)
    await services.start_all([FakeSource(service())])
    (made,) = desk.made
    monkeypatch.setattr(type(made.admission), "outstanding", 1)
    services.remove(services.hosts[0])
    await asyncio.sleep(0.02)
    await services.end_changes()
    await asyncio.sleep(0.02)
    assert not made.stopped
    await services.stop()
    assert made.stopped
