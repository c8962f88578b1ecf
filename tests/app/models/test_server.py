"""The models that a configuration names, as it changes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fixtures.yard import Yard, until

from eas_processor.app.models.host import ModelHost
from eas_processor.app.models.server import ModelOffer, Models
from eas_processor.config.models import All, ModelConfig, Specific
from eas_processor.errors import ServiceFileError, SetupError, StartError, UpdateError
from eas_processor.serving.version_states import Stage


class Config:
    """What the configuration says now."""

    def __init__(self, *models: ModelConfig) -> None:
        self.models = models
        self.failure: SetupError | None = None
        self.reads = 0

    def __call__(self) -> tuple[ModelConfig, ...]:
        self.reads += 1
        if self.failure is not None:
            raise self.failure
        return self.models


def model(yard: Yard, name: str, **keys: Any) -> ModelConfig:
    return ModelConfig(name, yard.root / name, **keys)


def models_of(yard: Yard, config: Config, **how: Any) -> Models:
    offer = ModelOffer(config, yard.loading, **{"directory_poll": 0.01, **how})
    return Models(yard.desk.shares, offer)


def serving(models: Models) -> dict[str, list[int]]:
    return {each.name: sorted(each.entry.versions) for each in models.hosts}


async def test_it_starts_when_every_model_serves(yard: Yard) -> None:
    yard.make("a", 1)
    yard.make("b")
    (yard.root / "b").mkdir(parents=True, exist_ok=True)
    models = models_of(yard, Config(model(yard, "a"), model(yard, "b")))
    start = asyncio.create_task(models.start())
    await until(lambda: models.hosts and models.hosts[0].available)
    await asyncio.sleep(0.03)
    assert not start.done(), "a model without a version is waited for"
    yard.make("b", 5)
    await start
    assert serving(models) == {"a": [1], "b": [5]}
    await models.stop()


async def test_a_model_that_cannot_be_loaded_ends_the_start(yard: Yard) -> None:
    yard.make("a", 1)
    yard.make("b", 2)
    yard.broken["b", 2] = "no graph"
    models = models_of(yard, Config(model(yard, "a"), model(yard, "b")))
    with pytest.raises(StartError) as caught:
        await models.start()
    assert str(caught.value) == (
        "1 servable(s) did not become available: {{name: b version: 2} due to error: no graph}"
    )
    await models.stop()
    assert all(each.stopped for each in yard.desk.made)


async def test_room_is_made_for_all_versions_also_while_they_load(yard: Yard) -> None:
    yard.make("a", 1, 2, 3)
    yard.make("b", 1)
    yard.desk.may_start.clear()
    models = models_of(yard, Config(model(yard, "a", policy=All()), model(yard, "b")))
    start = asyncio.create_task(models.start())
    await until(lambda: len(yard.desk.room) == 4)
    assert models.instances == 4
    yard.desk.may_start.set()
    await start
    await models.stop()


async def test_a_shutdown_does_not_wait_for_a_change(yard: Yard) -> None:
    """Its call would hold up the drain until the time for that is over"""
    yard.make("a", 1)
    yard.make("b", 1)
    models = models_of(yard, Config(model(yard, "a")))
    await models.start()
    yard.desk.may_start.clear()
    change = asyncio.create_task(models.apply([model(yard, "a"), model(yard, "b")]))
    await until(lambda: models.instances == 2)
    await models.end_changes()
    with pytest.raises(StartError, match="shuts down before it has loaded b"):
        await asyncio.wait_for(change, 5)
    with pytest.raises(UpdateError, match="the server is shutting down"):
        await models.apply([model(yard, "a")])
    yard.desk.may_start.set()
    await models.stop()


async def test_new_versions_are_found_while_it_serves(yard: Yard) -> None:
    yard.make("a", 1)
    models = models_of(yard, Config(model(yard, "a")))
    await models.start()
    yard.make("a", 2)
    await until(lambda: serving(models) == {"a": [2]})
    await models.stop()


async def test_a_changed_configuration_is_served(yard: Yard) -> None:
    for name in ("a", "b"):
        yard.make(name, 1, 2)
    config = Config(model(yard, "a"))
    models = models_of(yard, config, config_poll=0.01)
    await models.start()
    config.models = model(yard, "b"), model(yard, "a", policy=Specific((1,)))
    await until(lambda: serving(models) == {"b": [2], "a": [1]})
    config.models = (model(yard, "b"),)
    await until(lambda: serving(models) == {"b": [2]} and len(yard.desk.registry) == 1)
    await models.stop()


async def test_a_model_that_is_taken_out_is_told_to_have_ended(yard: Yard) -> None:
    yard.make("a", 1)
    yard.make("b", 1)
    models = models_of(yard, Config(model(yard, "a"), model(yard, "b")))
    await models.start()
    await models.apply([model(yard, "a")])
    await until(lambda: yard.desk.registry.ended(b"b"))
    gone = yard.desk.registry.ended(b"b")
    assert gone is not None
    await until(lambda: gone.states[1].stage is Stage.END)
    assert not gone.versions and yard.desk.registry.find(b"b") is None
    yard.make("b", 2)
    yard.drop("b", 1)
    await models.apply([model(yard, "a"), model(yard, "b")])
    back = yard.desk.registry.find(b"b")
    assert back is not None and list(back.states) == [2]
    assert yard.desk.registry.ended(b"b") is None
    await models.stop()


async def test_a_model_that_gets_no_version_holds_up_no_other_change(yard: Yard) -> None:
    for name in ("a", "b"):
        yard.make(name, 1)
    config = Config(model(yard, "a"))
    models = models_of(yard, config, config_poll=0.01)
    await models.start()
    config.models = model(yard, "a"), model(yard, "mistyped")
    await until(lambda: "mistyped" in serving(models))
    config.models = model(yard, "a"), model(yard, "b")
    await until(lambda: serving(models) == {"a": [1], "b": [1]})
    await models.stop()


async def test_a_start_that_waits_for_a_version_follows_the_configuration(yard: Yard) -> None:
    for name in ("a", "b"):
        yard.make(name, 1)
    config = Config(model(yard, "a"), model(yard, "mistyped"))
    models = models_of(yard, config, config_poll=0.01)
    start = asyncio.create_task(models.start())
    await until(lambda: models.hosts and models.hosts[0].available)
    config.models = model(yard, "a"), model(yard, "b")
    async with asyncio.timeout(20):
        await start
    await until(lambda: serving(models) == {"a": [1], "b": [1]})
    await models.stop()


async def test_a_reload_looks_at_directories_that_nothing_else_looks_at(yard: Yard) -> None:
    yard.make("a", 1)
    models = models_of(yard, Config(model(yard, "a")), directory_poll=0)
    await models.start()
    yard.make("a", 2)
    models.reload_all()
    await until(lambda: serving(models) == {"a": [2]})
    await models.stop()


async def test_what_goes_has_its_grace_and_its_calls(yard: Yard) -> None:
    yard.make("a", 1)
    config = Config(model(yard, "a"))
    models = models_of(yard, config)
    await models.start()
    (host,) = models.hosts
    call: Any = type("Call", (), {"number": 1, "deadline": 0.0, "line": None})()
    host.entry.versions[1].admission.begin(call)
    grace = models.most_grace
    assert grace > 0
    yard.drop("a", 1)
    await until(lambda: not host.available)
    assert (models.outstanding, models.most_grace) == (1, grace)
    await models.stop()


@pytest.mark.parametrize("broken", ["refused", "empty"])
async def test_a_configuration_that_cannot_be_read_changes_nothing(
    yard: Yard, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    yard.make("a", 1)
    config = Config(model(yard, "a"))
    before = config.models
    models = models_of(yard, config, config_poll=0.005)
    await models.start()
    if broken == "refused":
        config.failure = ServiceFileError("half a file")
    else:
        config.models = ()
    reads = config.reads
    await until(lambda: config.reads > reads + 3)
    assert serving(models) == {"a": [1]}
    said = [each for each in caplog.messages if "stays as it is" in each]
    assert len(said) == 1, "it is said once"
    config.failure, config.models = None, before
    await models.stop()


async def test_a_model_that_fails_later_takes_nothing_away(yard: Yard) -> None:
    yard.make("a", 1)
    yard.make("b", 1)
    yard.broken["b", 1] = "no graph"
    models = models_of(yard, Config(model(yard, "a")))
    await models.start()
    with pytest.raises(StartError, match="no graph"):
        await models.apply([model(yard, "a"), model(yard, "b")])
    assert serving(models) == {"a": [1], "b": []}
    await models.stop()


async def test_few_directories_are_looked_at_at_a_time(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way: list[ModelHost] = []
    counts: list[int] = []

    async def look(self: ModelHost, real: Any = ModelHost.look) -> None:
        under_way.append(self)
        counts.append(len(under_way))
        await real(self)
        under_way.remove(self)

    monkeypatch.setattr(ModelHost, "look", look)
    names = [f"m{number}" for number in range(20)]
    for name in names:
        yard.make(name, 1)
    models = models_of(yard, Config(*(model(yard, name) for name in names)))
    await models.start()
    assert len(models.hosts) == 20 and max(counts) == 4
    await models.stop()


async def test_what_goes_wrong_once_does_not_end_the_polls(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard.make("a", 1)
    yard.make("b", 1)
    config = Config(model(yard, "a"))
    models = models_of(yard, config, config_poll=0.01)
    await models.start()
    fails = [True, True]

    async def look(self: ModelHost, real: Any = ModelHost.look) -> None:
        if fails:
            fails.pop()
            raise ValueError("embedded null byte")
        await real(self)

    monkeypatch.setattr(ModelHost, "look", look)
    await until(lambda: not fails)
    yard.make("a", 2)
    await until(lambda: serving(models) == {"a": [2]})
    fails.append(True)
    config.models = model(yard, "a"), model(yard, "b")
    await until(lambda: serving(models) == {"a": [2], "b": [1]})
    await models.stop()


async def test_labels_name_versions_that_are_loaded(yard: Yard) -> None:
    yard.make("a", 1, 2)
    both = Specific((1, 2))
    models = models_of(yard, Config(model(yard, "a", policy=both)))
    await models.start()
    await until(lambda: serving(models) == {"a": [1, 2]})
    await models.apply([model(yard, "a", policy=both, labels={"stable": 1, "canary": 2})])
    assert models.hosts[0].entry.labels == {"stable": 1, "canary": 2}
    with pytest.raises(UpdateError, match="version 3 of model a, which is not currently available"):
        await models.apply([model(yard, "a", policy=both, labels={"stable": 3})])
    assert models.hosts[0].entry.labels == {"stable": 1, "canary": 2}
    await models.stop()


async def test_a_new_label_may_name_any_version_where_that_is_let_in(yard: Yard) -> None:
    yard.make("a", 1)
    config = Config(model(yard, "a", labels={"stable": 1, "next": 2}))
    models = models_of(yard, config, any_label=True)
    await models.start()
    assert models.hosts[0].entry.labels == {"stable": 1, "next": 2}
    with pytest.raises(UpdateError, match="not currently available"):
        await models.apply([model(yard, "a", labels={"stable": 3})])
    await models.stop()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a", "a"], "Illegal to list model a multiple times in config list"),
        (["relative"], "Expected model relative to have an absolute path or URI"),
    ],
)
async def test_a_configuration_that_cannot_be(yard: Yard, names: list[str], said: str) -> None:
    yard.make("a", 1)
    config = Config(
        *(ModelConfig(each, Path("a") if each == "relative" else yard.root / "a") for each in names)
    )
    models = models_of(yard, config)
    with pytest.raises(ServiceFileError, match=said):
        await models.start()
    await models.stop()


async def test_names_that_fit_into_a_path_are_told_and_no_others(yard: Yard) -> None:
    told: list[str] = []
    yard.desk.shares.on_name = told.append
    yard.make("a", 1)
    odd = ModelConfig("../b", yard.root / "a")
    models = models_of(yard, Config(model(yard, "a"), odd))
    await models.start()
    assert told == ["a"] and serving(models) == {"a": [1], "../b": [1]}
    await models.apply([odd])
    await until(lambda: yard.desk.gone == ["a"])
    await models.apply([model(yard, "a")])
    assert told == ["a", "a"] and yard.desk.gone == ["a"]
    await models.stop()
