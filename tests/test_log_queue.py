from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from eas_processor import log_queue
from eas_processor.log_queue import LineQueue

PATIENCE_S = 20.0


class Pipe:
    """A pipe of 64 KiB, and a queue that writes into it."""

    def __init__(self, **options: Any) -> None:
        self.end, self.descriptor = os.pipe()
        self.queue = LineQueue(self.descriptor, lambda count: b"dropped %d\n" % count, **options)

    def read_until(self, enough: Callable[[bytes], bool]) -> bytes:
        received = b""
        while not enough(received):
            received += os.read(self.end, 65536)
        return received

    def close(self) -> None:
        os.close(self.end)  # a write that waits fails with it
        assert self.queue.flush(PATIENCE_S)
        os.close(self.descriptor)


@pytest.fixture
def pipe() -> Iterator[Callable[..., Pipe]]:
    pipes: list[Pipe] = []

    def make(**options: Any) -> Pipe:
        pipes.append(Pipe(**options))
        return pipes[-1]

    yield make
    for each in pipes:
        each.close()


def test_what_is_put_is_written_in_its_order(pipe: Callable[..., Pipe]) -> None:
    wanted = [b"%d\n" % number for number in range(50_000)]
    mine = pipe()
    received: list[bytes] = []
    end = len(b"".join(wanted))
    reader = threading.Thread(
        target=lambda: received.append(mine.read_until(lambda so_far: len(so_far) == end))
    )
    reader.start()
    for line in wanted:
        mine.queue.put(line)
    assert mine.queue.flush(PATIENCE_S)
    reader.join(PATIENCE_S)
    assert received == [b"".join(wanted)]
    assert mine.queue.dropped == 0


def test_who_puts_never_waits_and_what_is_dropped_is_counted(pipe: Callable[..., Pipe]) -> None:
    mine = pipe(limit=100_000)
    before = log_queue.dropped_records()
    slowest = 0.0
    for number in range(3000):
        began = time.thread_time()
        mine.queue.put(b"%0999d\n" % number)
        slowest = max(slowest, time.thread_time() - began)
    assert slowest < 0.1
    dropped = mine.queue.dropped
    # The pipe takes 64 records, the queue 94; a write under way holds a few of both.
    assert 2800 < dropped < 2950
    assert log_queue.dropped_records() - before == dropped
    assert not mine.queue.flush(0.05)
    received = mine.read_until(lambda so_far: b"dropped" in so_far)
    *lines, notice = received.splitlines()
    assert lines == [b"%0999d" % number for number in range(3000 - dropped)]
    assert notice == b"dropped %d" % dropped
    mine.queue.put(b"again\n")
    assert mine.read_until(lambda so_far: so_far.endswith(b"\n")) == b"again\n"


def test_many_empty_records_are_limited_too(pipe: Callable[..., Pipe]) -> None:
    mine = pipe(limit=100_000)
    for _ in range(100_000):
        mine.queue.put(b"\n" * 60)
    assert len(mine.queue._records) < 100_000 / 120


def test_one_above_the_limit_is_dropped_and_said(pipe: Callable[..., Pipe]) -> None:
    mine = pipe(limit=1000)
    mine.queue.put(b"x" * 1000)
    assert mine.read_until(lambda so_far: so_far.endswith(b"\n")) == b"dropped 1\n"


def test_one_above_what_a_pipe_takes_whole_is_written(pipe: Callable[..., Pipe]) -> None:
    mine = pipe()
    mine.queue.put(b"x" * 300_000 + b"\n")
    received = mine.read_until(lambda so_far: so_far.endswith(b"\n"))
    assert received == b"x" * 300_000 + b"\n"


def test_a_reader_that_left_costs_records_and_nothing_else() -> None:
    end, descriptor = os.pipe()
    os.close(end)
    failures: list[tuple[OSError, bytes]] = []
    queue = LineQueue(descriptor, on_failure=lambda *what: failures.append(what))
    for _ in range(3):
        queue.put(b"x\n")
        assert queue.flush(PATIENCE_S)
    assert queue.dropped == 3
    assert isinstance(failures[0][0], BrokenPipeError) and failures[0][1] == b"x\n"
    os.close(descriptor)


def test_a_full_disk_costs_records_until_there_is_room(pipe: Callable[..., Pipe]) -> None:
    mine = pipe()
    kept = os.dup(mine.descriptor)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, mine.descriptor)
    for _ in range(2):
        mine.queue.put(b"lost\n")
        assert mine.queue.flush(PATIENCE_S)
    os.dup2(kept, mine.descriptor)
    mine.queue.put(b"room\n")
    assert mine.read_until(lambda so_far: so_far.count(b"\n") == 2) == b"room\ndropped 2\n"
    for each in (kept, full):
        os.close(each)


def test_a_record_that_was_cut_by_a_full_disk_ends_its_line(
    pipe: Callable[..., Pipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = pipe()
    write, room = os.write, [3, -1, 100]

    def full_after_a_while(descriptor: int, data: memoryview) -> int:
        if descriptor != mine.descriptor:
            return write(descriptor, data)
        here = room.pop(0) if room else 100
        if here < 0:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:here])

    monkeypatch.setattr(os, "write", full_after_a_while)
    mine.queue.put(b"first\n")
    received = mine.read_until(lambda so_far: so_far.endswith(b"\n"))
    assert received == b"fir\ndropped 1\n"


def test_a_pipe_that_another_program_made_non_blocking(pipe: Callable[..., Pipe]) -> None:
    mine = pipe()
    flags = fcntl.fcntl(mine.descriptor, fcntl.F_GETFL)
    fcntl.fcntl(mine.descriptor, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    wanted = b"".join(b"%d\n" % number for number in range(30_000))
    for line in wanted.splitlines(keepends=True):
        mine.queue.put(line)
    assert not mine.queue.flush(0.05)
    assert mine.read_until(lambda so_far: len(so_far) >= len(wanted)) == wanted
    assert mine.queue.dropped == 0


def test_the_interpreter_ends_while_a_write_waits_and_no_line_is_cut() -> None:
    code = (
        "import os, sys; from eas_processor.log_queue import LineQueue\n"
        "queue = LineQueue(1)\n"
        "for number in range(1000): queue.put(b'%0500d\\n' % number)\n"
        "sys.exit(0 if not queue.flush(0.2) else 1)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.wait(PATIENCE_S) == 0
    received = process.stdout.read()
    process.stdout.close()
    assert received.endswith(b"\n")
    lines = received.splitlines()
    assert lines == [b"%0500d" % number for number in range(len(lines))]
