"""The fuzz targets on their seeds, and on some thousand mutations of them, the same each time."""

from __future__ import annotations

import logging

import pytest
from frontends.grpc.http2.raw_client import PREFACE, data, headers, message, request, settings
from fuzz.targets import LOGGER, TARGETS, http, http2, http2_versus_ngh2, mutations_for, seeds

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
        for data in [*inputs, *mutations_for(name, RUNS, seed=1)]:
            TARGETS[name](data)
    except Exception as error:
        raise AssertionError(f"target {name} fails on {data!r}") from error


def test_a_target_sees_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eas_processor.frontends.router.Router.find", lambda *_: 1 / 0)
    with pytest.raises(AssertionError, match="500"):
        http(b"\0GET /x HTTP/1.1\r\nHost: h\r\n\r\n")


def test_what_is_left_in_the_budget_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("give_back", "settle"):
        monkeypatch.setattr(
            f"eas_processor.frontends.grpc.http2.stream.Stream.{name}", lambda _: None
        )
    with pytest.raises(AssertionError, match="charged"):
        http2(b"\0" + PREFACE + settings() + headers() + data(message()[:7]))


def test_nghttp2_contradicts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the engine takes what RFC 9113, 8.2.2, forbids"""
    monkeypatch.setattr("eas_processor.frontends.grpc.http2.head.is_malformed", lambda _: False)
    sent = headers(request((b"connection", b"close"))) + data(message(), end=True)
    with pytest.raises(AssertionError, match="only the engine hands it over"):
        http2_versus_ngh2(b"\0" + PREFACE + settings() + sent)
