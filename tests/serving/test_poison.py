"""A request that killed a worker alone is not run again for a while."""

from __future__ import annotations

from typing import Any

import pytest

from eas_processor.contracts.call import Call
from eas_processor.link import codes
from eas_processor.link.frames import EAS_JSON
from eas_processor.serving import poison as module
from eas_processor.serving.poison import Poison


def request_of(*pieces: bytes) -> Call:
    request = Call()
    request.body, request.size = list(pieces), sum(map(len, pieces))
    return request


@pytest.fixture
def poison() -> Poison:
    made = Poison("echo")
    made.remember(request_of(b"d", b"ie"), "killed by SIGABRT")
    return made


def test_what_came_before_is_refused_and_logged_again(
    poison: Poison, caplog: pytest.LogCaptureFixture
) -> None:
    refusal = poison.refusal(request_of(b"die"))
    assert refusal is not None and refusal.code == codes.INTERNAL
    assert "crashed a worker less than 60 s ago" in str(refusal)
    facts: Any = caplog.records[-1].facts  # type: ignore[attr-defined]
    assert facts["service"] == "echo" and facts["bytes"] == 3 and len(facts["sha256"]) == 64


def test_others_are_not(poison: Poison) -> None:
    as_json = request_of(b"die")
    as_json.codec = EAS_JSON
    for other in (request_of(b"dye"), request_of(b"dies"), as_json):
        assert poison.refusal(other) is None
    assert poison.sizes == {3}


def test_it_is_forgotten(poison: Poison, monkeypatch: pytest.MonkeyPatch) -> None:
    later = module.monotonic() + module.REMEMBERED_S
    monkeypatch.setattr(module, "monotonic", lambda: later)
    assert poison.refusal(request_of(b"die")) is None and poison.sizes == set()


def test_not_many_are_remembered(poison: Poison) -> None:
    for size in range(200):
        poison.remember(request_of(bytes(size)), "killed by SIGABRT")
    assert len(poison.sizes) < 100
