"""One service of an engine: its source and its instances are the test's."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from fixtures.fake_source import Desk, FakeSource

from eas_processor.app import hosting as module
from eas_processor.app.hosting import Host
from eas_processor.errors import ModelFetchError, ServiceFileError, SetupError
from eas_processor.serving.registry import Phase


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    for name in ("_LOOK_S", "_LOOK_EACH_S"):
        monkeypatch.setattr(module, name, 0.005)
    monkeypatch.setattr(module, "_PAUSES_S", (0.01, 0.02))
    return Desk()


@pytest.fixture
def source(service: Any) -> FakeSource:
    return FakeSource(service(token="t"))


async def test_a_service_that_starts(desk: Desk, source: FakeSource) -> None:
    desk.may_start.clear()
    host = desk.host(source)
    start = asyncio.create_task(host.start())
    while not desk.made:
        await asyncio.sleep(0.001)
    (entry,) = desk.registry
    assert entry.phase is Phase.STARTING and entry.latest is not None, "calls wait for it"
    assert not entry.tried and entry.tokens.accepts(b"t")
    desk.may_start.set()
    await start
    assert entry.phase is Phase.SERVING and desk.serving == ["echo"] and desk.room == [1]
    assert host.describe() | {"last_update": 0} == {
        "service": "echo",
        "state": "serving",
        "reason": "",
        "file": os.path.abspath("a.json"),
        "version": 1,
        "wanted": 1,
        "instances": [],
        "dead": [],
        "last_update": 0,
    }


@pytest.mark.parametrize("where", ["read", "start"])
async def test_a_service_that_cannot_start_says_why_until_it_can(
    desk: Desk, source: FakeSource, where: str, eventually_async: Any
) -> None:
    sentence = "the model is broken"
    if where == "read":
        source.failure = ModelFetchError(sentence)
    else:
        desk.failure = sentence
    host = desk.host(source)
    await host.begin()
    (entry,) = desk.registry
    assert entry.phase is Phase.FAILED and entry.tried and entry.latest is None
    assert str(entry.not_ready()) == (
        "service 'echo' could not start: the model is broken; it will be retried"
    )
    assert (host.describe()["state"], host.describe()["reason"]) == ("failed", sentence)
    assert all(each.stopped for each in desk.made)
    await eventually_async(lambda: source.read_count >= 4)
    assert entry.phase is Phase.FAILED and entry.latest is None, "it is refused at once meanwhile"
    source.failure, desk.failure = None, ""
    await eventually_async(lambda: host.serves)
    assert entry.latest is not None and entry.reason == "" and desk.serving == ["echo"]
    reads = source.read_count
    await asyncio.sleep(0.05)
    assert source.read_count == reads, "it is not started again"


async def test_a_file_that_cannot_be_read_has_no_name_yet(desk: Desk, source: FakeSource) -> None:
    source.failure = ServiceFileError("a.json: is empty")
    host = desk.host(source)
    with pytest.raises(ServiceFileError):
        await host.start()
    assert len(desk.registry) == 0
    assert host.describe()["service"] == "a.json" and host.describe()["state"] == "failed"
    source.failure = None
    assert await host.reload() == {"outcome": "started", "version": 1}
    assert host.describe()["service"] == "echo"


async def test_a_name_belongs_to_who_came_first(
    desk: Desk, source: FakeSource, service: Any
) -> None:
    first, second = desk.host(source), desk.host(FakeSource(service(token="u"), "b.json"))
    await first.start()
    with pytest.raises(ServiceFileError, match=r"^b\.json: name: 'echo' is served from another"):
        await second.start()
    assert second.describe()["state"] == "failed"
    (entry,) = desk.registry
    assert entry is first.entry and entry.phase is Phase.SERVING and entry.tokens.accepts(b"t")
    await second.remove()
    assert list(desk.registry) == [entry] and desk.gone == []
    await first.remove()
    await desk.host(second.source).start()  # type: ignore[arg-type]
    assert desk.gone == ["echo"] and next(iter(desk.registry)).tokens.accepts(b"u")


async def test_a_service_that_is_removed_finishes_its_calls(
    desk: Desk, source: FakeSource, monkeypatch: pytest.MonkeyPatch, eventually_async: Any
) -> None:
    host = desk.host(source)
    await host.start()
    (made,) = desk.made
    outstanding = 1
    monkeypatch.setattr(type(made.admission), "outstanding", property(lambda _: outstanding))
    removal = asyncio.create_task(host.remove())
    await eventually_async(lambda: len(desk.registry) == 0)
    await asyncio.sleep(0.05)
    assert not made.stopped
    outstanding = 0
    await removal
    assert made.stopped and desk.gone == ["echo"]


async def test_a_service_that_is_removed_while_it_starts(desk: Desk, source: FakeSource) -> None:
    desk.may_start.clear()
    host = desk.host(source)
    start = host.begin()
    while not desk.made:
        await asyncio.sleep(0.001)
    await asyncio.wait_for(host.remove(), 5)
    assert start.cancelled() and desk.made[0].stopped and len(desk.registry) == 0
    with pytest.raises(SetupError, match="has been removed"):
        await host.reload()


async def test_a_reload_while_it_starts_reads_the_file_again(
    desk: Desk, source: FakeSource, service: Any
) -> None:
    desk.may_start.clear()
    host = desk.host(source)
    start = asyncio.create_task(host.start())
    while not desk.made:
        await asyncio.sleep(0.001)
    source.settings = service(token="t", model_config="new")
    reload = asyncio.create_task(host.reload())
    await asyncio.sleep(0.01)
    desk.may_start.set()
    await start
    assert (await reload)["version"] == 2
    assert [each.worker.model_config for each in desk.made[0].changes] == ["new"]


async def test_a_rollback_of_what_does_not_serve(desk: Desk, source: FakeSource) -> None:
    source.failure = ModelFetchError("no model")
    host = desk.host(source)
    with pytest.raises(SetupError):
        await host.start()
    with pytest.raises(SetupError, match=r"has not started yet: no model$"):
        await host.rollback()


# Watching


async def test_a_change_is_loaded_once_it_stays(
    desk: Desk, source: FakeSource, service: Any, eventually_async: Any
) -> None:
    host = desk.host(source)
    host.watch(lambda _: None)
    await host.start()
    source.settings = service(token="t", model_config="new")
    source.stamps = iter([1, 2, 3, 3, 3])
    await eventually_async(lambda: desk.made[0].changes)
    await asyncio.sleep(0.1)
    # Not while it was being written, and not again.
    assert source.read_count == 2
    await host.stop()


async def test_what_changed_while_the_service_started_is_loaded(
    desk: Desk, source: FakeSource, service: Any, eventually_async: Any
) -> None:
    desk.may_start.clear()
    host = desk.host(source)
    host.watch(lambda _: None)
    start = asyncio.create_task(host.start())
    while not desk.made:
        await asyncio.sleep(0.001)
    source.settings = service(token="t", model_config="new")
    source.last_stamp = 1
    desk.may_start.set()
    await start
    await eventually_async(lambda: desk.made[0].changes)
    await host.stop()


async def test_watching_goes_on_after_a_failure(
    desk: Desk, source: FakeSource, service: Any, eventually_async: Any
) -> None:
    host = desk.host(source)
    host.watch(lambda _: None)
    await host.start()
    source.failure, source.last_stamp = ServiceFileError("half a file"), 1
    await eventually_async(lambda: host.describe()["last_update"].get("reason"))
    assert source.read_count == 2
    source.settings = service(token="t", model_config="new")
    source.failure, source.last_stamp = None, 2
    await eventually_async(lambda: desk.made[0].changes)
    await host.stop()


async def test_a_failed_service_is_started_when_its_file_changes(
    desk: Desk, source: FakeSource, eventually_async: Any
) -> None:
    source.failure = ModelFetchError("no model")
    host = desk.host(source)
    host.watch(lambda _: None)
    with pytest.raises(SetupError):
        await host.start()
    source.failure, source.last_stamp = None, 1
    await eventually_async(lambda: host.serves)
    await host.stop()


async def test_a_file_that_tells_another_name(
    desk: Desk, source: FakeSource, service: Any, eventually_async: Any
) -> None:
    renamed: list[Host] = []
    host = desk.host(source)
    host.watch(renamed.append)
    await host.start()
    source.settings, source.last_stamp = service(name="other", token="t"), 1
    await eventually_async(lambda: renamed == [host])
    await host.stop()


async def test_the_protocols_that_a_service_asks_for_may_call_it(desk: Desk, service: Any) -> None:
    source = FakeSource(service(token="t"))
    host = desk.host(source)
    await host.start()
    (entry,) = desk.registry
    assert entry.frontends == {"eas"}
    source.settings = service(token="t", frontends=frozenset(["eas", "tfs"]))
    await host.reload()
    assert entry.frontends == {"eas", "tfs"}
    await host.rollback()
    assert entry.frontends == {"eas"}
