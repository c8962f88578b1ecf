"""
Output to a descriptor that may stall: a pipe that nobody reads, or a paused terminal.

Callers never wait; a thread writes their records. It writes to the descriptor itself, because a
thread that blocks inside a buffered stream holds the stream's lock, and the interpreter aborts if
that lock is held when it ends.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable

LIMIT = 4 * 1024 * 1024
"""Most bytes that wait for one descriptor: a second of an access log at 10,000 answers a second."""

_OVERHEAD = 64
"""Bytes that a record counts in addition to its own, so that many empty records are limited too."""
_WHOLE = 4096
"""Bytes that a pipe takes whole or not at all (PIPE_BUF), so that no line is cut at the end."""
_PAUSE_S = 0.002
"""Records of this time are written together, so the thread takes the GIL 500 times a second."""


class LineQueue:
    """
    A queue of records, each with its line end, for one descriptor, which stays open.

    Once `limit` bytes wait, new records are dropped until the queue is empty. Then the line that
    `notice` returns for the number of dropped records is written. `on_failure` is called in the
    writing thread with the error of a write and the lost bytes.
    """

    def __init__(
        self,
        descriptor: int,
        notice: Callable[[int], bytes] | None = None,
        on_failure: Callable[[OSError, bytes], None] | None = None,
        *,
        limit: int = LIMIT,
    ) -> None:
        self.dropped = 0
        self.dropping = False
        """Whether the next record would be dropped."""
        self._descriptor = descriptor
        self._notice = notice
        self._on_failure = on_failure
        self._limit = limit
        self._records: deque[bytes] = deque()
        self._held = 0
        self._said = 0
        self._torn = False
        """Whether the last write ended inside a record."""
        self._idle = True
        # Reentrant, because the garbage collector may run and log while it is held.
        self._lock = threading.RLock()
        self._wake = threading.Lock()
        self._wake.acquire()
        threading.Thread(target=self._run, name="eas-log", daemon=True).start()
        _queues.append(self)

    def put(self, record: bytes) -> None:
        """Queue a record, or drop it if the queue is full."""
        size = len(record) + _OVERHEAD
        with self._lock:
            if self.dropping or self._held + size > self._limit:
                self.dropping = True
                self.dropped += 1
            else:
                self._records.append(record)
                self._held += size
            if self._idle:
                self._idle = False
                with contextlib.suppress(RuntimeError):  # a record of the collector was first
                    self._wake.release()

    def drop(self) -> None:
        """Count a record that the caller did not make because it would be dropped."""
        with self._lock:
            self.dropped += 1

    def flush(self, within: float) -> bool:
        """Wait at most `within` seconds for the queue to empty; return whether it is empty."""
        end = time.monotonic() + within
        while not self._idle and time.monotonic() < end:
            time.sleep(_PAUSE_S)
        return self._idle

    # The writing thread

    def _run(self) -> None:
        while True:
            self._wake.acquire()
            while not self._idle:
                while records := self._take():
                    self._write_records(records)
                self._say_dropped()
                time.sleep(_PAUSE_S)
                with self._lock:
                    self._idle = not self._records and not self.dropping

    def _take(self) -> list[bytes]:
        """Return the next records that fit in one atomic write to a pipe."""
        taken: list[bytes] = []
        size = 0
        with self._lock:
            while self._records and (not taken or size + len(self._records[0]) <= _WHOLE):
                size += len(self._records[0])
                taken.append(self._records.popleft())
        return taken

    def _write_records(self, records: list[bytes]) -> None:
        written = self._write(b"".join(records))
        with self._lock:
            # Counted until now, because the records of a stalled write still occupy memory.
            self._held -= sum(map(len, records)) + _OVERHEAD * len(records)
            if not written:
                self.dropped += len(records)

    def _say_dropped(self) -> None:
        with self._lock:
            missing = self.dropped - self._said
            self.dropping = False
        if missing and self._notice is not None and self._write(self._notice(missing)):
            self._said += missing

    def _write(self, data: bytes) -> bool:
        """Write all of `data`, however long it takes; return False if the write fails."""
        rest = memoryview(b"\n" + data if self._torn else data)
        whole = len(rest)
        try:
            while rest:
                rest = rest[self._write_some(rest) :]
        except OSError as error:
            self._torn = self._torn or len(rest) < whole
            if self._on_failure is not None:
                self._on_failure(error, data)
            return False
        self._torn = False
        return True

    def _write_some(self, data: memoryview) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            # Another program that shares the terminal or pipe has made it non-blocking.
            poll = select.poll()
            poll.register(self._descriptor, select.POLLOUT)
            poll.poll(1000)
            # With few bytes free, poll returns at once although the write takes nothing.
            time.sleep(_PAUSE_S)
            return 0


_queues: list[LineQueue] = []
_left_out = 0


def count_dropped(records: int) -> None:
    """Count records that were left out before a queue; only the loop's thread may call this."""
    global _left_out  # noqa: PLW0603 - one count for the process, as the log is one
    _left_out += records


def dropped_records() -> int:
    """Return the number of records that this process has dropped since it started."""
    return _left_out + sum(queue.dropped for queue in _queues)
