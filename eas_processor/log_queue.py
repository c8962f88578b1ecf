"""
Output for a descriptor that may stall: a pipe that nobody reads, a terminal on hold.

Who has something to write never waits. A thread writes it, on the descriptor itself: one that is
blocked inside a buffered stream would hold that stream's lock when the interpreter ends, which
then aborts.
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
"""Bytes that wait for one descriptor: a second of an access log with 10,000 answers a second."""

_OVERHEAD = 64
"""What a record costs beside its bytes, so that many empty ones are limited too."""
_WHOLE = 4096
"""A pipe takes this much as a whole or not at all (PIPE_BUF): no line is cut when we end."""
_PAUSE_S = 0.002
"""What comes within it is written at once: the thread asks for the GIL 500 times a second."""


class LineQueue:
    """
    Records for one descriptor, which stays open, each with its line end.

    Once `limit` bytes wait, records are dropped until all that waits is written; then `notice`
    makes the line that says how many they were. `on_failure` is called, in the writing thread,
    with the error of a write and what was lost.
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
        # Reentrant: the garbage collector may run, and log, while it is held.
        self._lock = threading.RLock()
        self._wake = threading.Lock()
        self._wake.acquire()
        threading.Thread(target=self._run, name="eas-log", daemon=True).start()
        _queues.append(self)

    def put(self, record: bytes) -> None:
        """Have a record written, or drop it."""
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
                with contextlib.suppress(RuntimeError):  # a record of the collector's was quicker
                    self._wake.release()

    def drop(self) -> None:
        """Count a record that was not made because it would be dropped."""
        with self._lock:
            self.dropped += 1

    def flush(self, within: float) -> bool:
        """Wait until everything is written, at most for `within` seconds; return whether it is."""
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
        """Return the next records that a pipe takes as a whole."""
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
            # Not before: what a stalled write holds is memory too.
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
        """Write all of `data`, however long that takes; return False when it cannot be written."""
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
            # With too few bytes free a poll returns at once, and the write still takes nothing.
            time.sleep(_PAUSE_S)
            return 0


_queues: list[LineQueue] = []
_left_out = 0


def count_dropped(records: int) -> None:
    """Count records that were left out before they came to a queue; from the loop's thread."""
    global _left_out  # noqa: PLW0603 - one count for the process, as the log is one
    _left_out += records


def dropped_records() -> int:
    """Return how many records this process has dropped since it started."""
    return _left_out + sum(queue.dropped for queue in _queues)
