from __future__ import annotations

from typing import Any

import pytest

from eas_processor.instances import worker_output
from eas_processor.instances.worker_output import LINES_A_SECOND, WorkerOutput
from eas_processor.log_queue import dropped_records


async def test_a_line_has_the_level_that_it_names(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    words: list[str] = []
    output = WorkerOutput("instance 1", words.append)
    for line in ("ERROR broken", "plain words", ""):
        output.relay(line)
    assert [(each.levelname, each.message) for each in caplog.records] == [
        ("ERROR", "instance 1: broken"),
        ("INFO", "instance 1: plain words"),
        ("INFO", "instance 1: "),
    ]
    assert words == ["ERROR broken", "plain words"]


async def test_lines_that_are_too_many_are_dropped_counted_and_said(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, eventually_async: Any
) -> None:
    caplog.set_level("INFO")
    clock = [100.0]
    monkeypatch.setattr(worker_output, "monotonic", lambda: clock[0])
    monkeypatch.setattr(worker_output, "_SAY_S", 0.01)
    before = dropped_records()
    words: list[str] = []
    output = WorkerOutput("instance 1", words.append)
    for _ in range(LINES_A_SECOND + 500):
        output.relay("x")
    assert len(caplog.records) == LINES_A_SECOND
    assert dropped_records() - before == 500
    await eventually_async(
        lambda: "instance 1: 500 line(s) were dropped" in caplog.records[-1].message
    )
    clock[0] += 1.0
    output.relay("again")
    assert caplog.records[-1].message == "instance 1: again"


async def test_of_many_lines_that_come_at_once_the_last_is_kept() -> None:
    words: list[str] = []
    before = dropped_records()
    output = WorkerOutput("instance 1", words.append)
    output.data_received(b"first\n" + b"\n" * 100_000 + b"last\nha")
    output.data_received(b"lf\n" + b"y" * 100_000 + b"\n")
    assert words == ["first", "last", "half", "y" * 1000]
    # "last" and what came after it have no room either.
    assert dropped_records() - before == 100_004 - LINES_A_SECOND


@pytest.mark.parametrize("more", [0, 1, 2])
async def test_at_the_limit_no_line_is_lost_or_counted_twice(more: int) -> None:
    before = dropped_records()
    WorkerOutput("instance 1", print).data_received(b"\n" * (LINES_A_SECOND + more))
    assert dropped_records() - before == more
