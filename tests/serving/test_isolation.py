from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest

from eas_processor.contracts.backend import State
from eas_processor.contracts.call import Call
from eas_processor.link import codes
from eas_processor.serving.isolation import Isolation
from eas_processor.serving.poison import Poison

KILLED = "killed by SIGKILL"


class Suspect(Call):
    def __init__(self, seconds: float = 60.0) -> None:
        super().__init__()
        self.body = [b"x"]
        self.deadline = monotonic() + seconds
        self.status = 0

    def answer(self, status: int, payload: list[bytes]) -> None:
        self.status = status


class Worker:
    """An instance that holds what it is sent until the test has it answer."""

    def __init__(self) -> None:
        self.state = State.WARMING
        self.held: dict[int, Call] = {}
        self._on_credit: Callable[[Any], None]

    def isolate(self, on_credit: Callable[[Any], None]) -> None:
        self.state = State.ISOLATED
        self._on_credit = on_credit

    def send(self, request: Call) -> None:
        self.held[request.number] = request

    def flush(self) -> None:
        pass

    def answer(self) -> None:
        self.held.popitem()
        self._on_credit(self)


@pytest.fixture
def released() -> list[Any]:
    return []


@pytest.fixture
def isolation(released: list[Any]) -> Isolation:
    return Isolation(Poison("echo"), released.append)


@pytest.fixture
def worker() -> Any:
    return Worker()


def test_suspects_are_tried_one_at_a_time_before_the_instance_serves(
    isolation: Isolation, worker: Any, released: list[Any]
) -> None:
    suspects = [Suspect() for _ in range(3)]
    isolation.take(list(suspects), alone=False, how="killed by SIGABRT")
    assert isolation.admit(worker)
    for suspect in suspects:
        assert list(worker.held.values()) == [suspect] and released == []
        worker.answer()
    assert released == [worker]


def test_an_instance_that_is_drained_tries_the_rest_and_then_serves_nobody(
    isolation: Isolation, worker: Any, released: list[Any]
) -> None:
    isolation.take([Suspect() for _ in range(3)], alone=False, how="killed by SIGABRT")
    isolation.admit(worker)
    worker.state = State.DRAINING
    for _ in range(3):
        worker.answer()
    assert len(isolation) == 0 and worker.held == {} and released == []


def test_who_is_alone_in_a_death_is_refused(isolation: Isolation) -> None:
    suspect = Suspect()
    isolation.take([suspect], alone=True, how="killed by SIGABRT")
    assert suspect.status == codes.INTERNAL and len(isolation) == 0


def test_only_the_second_kill_from_outside_counts(isolation: Isolation) -> None:
    suspect = Suspect()
    isolation.take([suspect], alone=True, how=KILLED)
    assert suspect in isolation and suspect.status == 0
    isolation.take([suspect], alone=True, how=KILLED)
    assert suspect.status == codes.INTERNAL


def test_the_excuses_of_requests_that_are_over_are_forgotten(isolation: Isolation) -> None:
    for _ in range(5):
        isolation.take([Suspect(seconds=-1.0)], alone=True, how=KILLED)
    assert len(isolation._excused) == 1
