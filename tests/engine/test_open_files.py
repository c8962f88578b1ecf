from __future__ import annotations

import logging

import pytest

from eas_processor.engine import open_files


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The limit of a machine, soft and hard; what is set comes after."""
    values = [(1024, 4096)]
    monkeypatch.setattr(open_files.resource, "getrlimit", lambda _: values[-1])
    monkeypatch.setattr(open_files.resource, "setrlimit", lambda _, new: values.append(new))
    return values


def test_the_soft_limit_is_raised_to_the_hard_one(
    limits: list[tuple[int, int]], caplog: pytest.LogCaptureFixture
) -> None:
    open_files.raise_limit(1000)
    assert limits[-1] == (4096, 4096)
    assert not caplog.records


def test_a_limit_that_is_too_low_is_said(
    limits: list[tuple[int, int]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    open_files.raise_limit(4000)
    assert "4096, too low for 4000 connections" in caplog.text


def test_no_limit_is_never_too_low(
    limits: list[tuple[int, int]], caplog: pytest.LogCaptureFixture
) -> None:
    limits.append((1024, open_files.resource.RLIM_INFINITY))
    open_files.raise_limit(1_000_000)
    assert not caplog.records
