from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from fixtures.registries import registry_of

from eas_processor.link.codes import UNAVAILABLE
from eas_processor.serving.budget import Budget
from eas_processor.serving.registry import Entry, Phase, Registry
from eas_processor.serving.service import Service
from eas_processor.serving.tokens import Tokens
from eas_processor.serving.version_states import Stage, VersionState


@pytest.fixture
def served(service: Any) -> Any:
    """Makes a service with a token and without instances."""

    def make(name: str = "echo", *, ready: bool = True) -> Service:
        admission: Any = SimpleNamespace(
            metrics=None, submit=None, end=None, withdraw=None, ready=ready
        )
        settings = service(name=name, token=f"token of {name}")
        return Service(settings, admission, SimpleNamespace(), Budget(1, 1), 1)  # type: ignore[arg-type]

    return make


def test_names_are_secret_once_there_are_two(served: Any) -> None:
    registry = registry_of(served("a"))
    assert not registry.names_are_secret
    other = Entry("b", Tokens("t"))
    registry.add(other)
    assert registry.names_are_secret and len(registry) == 2
    registry.remove(other)
    assert not registry.names_are_secret and registry.find(b"b") is None


def test_several_versions_live_side_by_side(served: Any) -> None:
    entry = Entry("a", Tokens("before"))
    assert entry.latest is None and entry.tokens.accepts(b"before") and not entry.ready
    one, two = served("a"), served("a", ready=False)
    entry.publish(2, two)
    entry.publish(1, one)
    assert entry.latest is two and entry.tokens is two.tokens
    assert entry.ready, "version 1 takes calls"
    entry.withdraw(2)
    assert entry.latest is one
    entry.renumber(1, 3)
    assert list(entry.versions) == [3]


def test_a_version_that_is_replaced_has_left(served: Any) -> None:
    before, after = served("a"), served("a")
    (entry,) = registry_of(before)
    tokens = before.tokens
    entry.publish(1, after)
    assert entry.latest is after and before.tokens is not tokens


def test_who_was_let_in_has_to_ask_again_once_a_version_is_gone(served: Any) -> None:
    first = served("a")
    registry = registry_of(first)
    (entry,) = registry
    tokens = first.tokens
    registry.remove(entry)
    assert first.tokens is not tokens


def test_states_of_versions_outlive_their_model(served: Any) -> None:
    registry = registry_of(served("a"))
    (plain,) = registry
    registry.remove(plain)
    assert registry.ended(b"a") is None
    entry = Entry("m", Tokens(""))
    entry.states[1] = VersionState(Stage.UNLOADING)
    registry.add(entry)
    assert registry.ended(b"m") is None
    registry.remove(entry)
    entry.states[1] = VersionState(Stage.END)
    assert registry.find(b"m") is None and len(registry) == 0
    gone = registry.ended(b"m")
    assert gone is not None and gone.states[1].stage is Stage.END
    registry.add(Entry("m", Tokens("")))
    assert registry.ended(b"m") is None


def test_few_that_have_gone_are_remembered() -> None:
    registry = Registry()
    for number in range(1001):
        entry = Entry(f"m{number}", Tokens(""))
        entry.states[1] = VersionState(Stage.END)
        registry.add(entry)
        registry.remove(entry)
    assert registry.ended(b"m0") is None and registry.ended(b"m1") is not None


def test_a_loop_over_a_registry_that_changes(served: Any) -> None:
    registry = registry_of(served("a"), served("b"))
    seen = []
    for entry in registry:
        seen.append(entry.name)
        registry.remove(entry)
    assert seen == ["a", "b"] and len(registry) == 0


@pytest.mark.parametrize(
    ("phase", "words"),
    [
        (Phase.PREPARING, "service 'a' is being prepared; try again in a moment"),
        (Phase.FAILED, "service 'a' could not start: the disk of v1 is full; it will be retried"),
    ],
)
def test_why_nothing_serves(phase: Phase, words: str) -> None:
    entry = Entry("a", Tokens(""))
    entry.phase, entry.reason = phase, "the disk of /srv/models/v1 is full"
    refusal = entry.not_ready()
    assert (refusal.code, str(refusal)) == (UNAVAILABLE, words)


def test_an_entry_is_tried_when_it_serves_or_has_failed() -> None:
    entry = Entry("a", Tokens(""))
    tried = {}
    for phase in Phase:
        entry.phase = phase
        tried[phase.name] = entry.tried
    assert tried == {"PREPARING": False, "STARTING": False, "SERVING": True, "FAILED": True}


def test_an_empty_registry() -> None:
    registry = Registry()
    assert list(registry) == [] and registry.find(b"a") is None
