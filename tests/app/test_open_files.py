from __future__ import annotations

import logging

import pytest

from eas_processor.app import open_files
from eas_processor.app.open_files import OpenFiles, kept


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
    assert OpenFiles(1000).most_connections(1) == 1000
    assert limits[-1] == (4096, 4096)
    assert not caplog.records


def test_what_is_kept_is_not_given_to_connections(
    limits: list[tuple[int, int]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    limits.append((1024, 1024))
    assert OpenFiles(10_000).most_connections(1) == 1024 - kept(1) == 768
    assert "is 1024: 768 connections may be open at a time, not 10000" in caplog.text


def test_more_instances_take_their_part_for_good(
    limits: list[tuple[int, int]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    files = OpenFiles(10_000)
    most = [files.most_connections(instances) for instances in (1, 8, 50, 1)]
    assert most == [3840, 3840, 4096 - kept(50), 4096 - kept(50)]
    assert [each.args[1] for each in caplog.records] == [3840, 4096 - kept(50)]  # type: ignore[index]


def test_of_many_services_one_is_updated_at_a_time(limits: list[tuple[int, int]]) -> None:
    limits.append((1024, 1024))
    assert OpenFiles(10_000).most_connections(100, 1) == 1024 - kept(100, 1) == 216


def test_with_a_tiny_limit_there_are_still_some(limits: list[tuple[int, int]]) -> None:
    limits.append((64, 64))
    assert OpenFiles(10_000).most_connections(1) == 16
    assert OpenFiles(4).most_connections(1) == 4


def test_no_limit_is_never_too_low(
    limits: list[tuple[int, int]], caplog: pytest.LogCaptureFixture
) -> None:
    limits.append((1024, open_files.resource.RLIM_INFINITY))
    assert OpenFiles(1_000_000).most_connections(100) == 1_000_000
    assert not caplog.records
