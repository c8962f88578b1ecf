"""The fuzz targets on their seeds, and on some thousand mutations of them, the same each time."""

from __future__ import annotations

import logging

import pytest
from fuzz.mutate import mutations
from fuzz.targets import LOGGER, TARGETS, http, seeds

RUNS = 5000


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger=LOGGER)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_mutations_of_them_do_no_harm(name: str) -> None:
    inputs = seeds(name)
    assert inputs
    data = b""
    try:
        for data in [*inputs, *mutations(inputs, RUNS, seed=1)]:
            TARGETS[name](data)
    except Exception as error:
        raise AssertionError(f"target {name} fails on {data!r}") from error


def test_a_target_sees_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eas_processor.frontends.router.Router.find", lambda *_: 1 / 0)
    with pytest.raises(AssertionError, match="500"):
        http(b"\0GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
