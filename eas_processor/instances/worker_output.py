"""Copies the output of workers and launchers to the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import monotonic

from eas_processor.instances.links import LineLink
from eas_processor.log_queue import count_dropped

log = logging.getLogger("eas_processor.worker")

LINES_A_SECOND = 1000
"""The limit for one process. A line costs 15 µs, so a model that prints 100 MB/s costs 2 %."""
_SAY_S = 1.0
_LAST_WORDS = 1000
"""How many characters of a line are kept for the error message about a death."""
_LEVELS = {
    name: getattr(logging, name) for name in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
}


class WorkerOutput(LineLink):
    """
    Logs the lines of one process up to a limit per second, and the number of dropped lines.

    `who` names the process in the log. `on_words` gets the beginning of each line that is not
    empty. `on_closed` is called after the last line.
    """

    def __init__(
        self,
        who: object,
        on_words: Callable[[str], None],
        on_closed: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(self.relay)
        self._who = who
        self._on_words = on_words
        self._on_closed = on_closed
        self._second = 0.0
        self._lines = 0
        self._missed = 0

    def data_received(self, data: bytes) -> None:
        # 200,000 empty lines, which a socket holds, would take 0.4 s.
        if data.count(b"\n") > LINES_A_SECOND:
            *first, rest = data.split(b"\n", LINES_A_SECOND)
            *between, last, rest = rest.rsplit(b"\n", 2)
            if between:
                self._miss(between[0].count(b"\n") + 1)
            data = b"\n".join([*first, last, rest])
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._on_closed is not None:
            self._on_closed()

    def relay(self, line: str) -> None:
        """Log a line at the level with which it begins, or else at INFO."""
        if line:
            self._on_words(line[:_LAST_WORDS])
        if not self._has_room():
            return
        level, _, text = line.partition(" ")
        if level in _LEVELS:
            log.log(_LEVELS[level], "%s: %s", self._who, text)
        else:
            log.info("%s: %s", self._who, line)

    def _has_room(self) -> bool:
        now = monotonic()
        if now - self._second >= 1.0:
            self._second, self._lines = now, 0
        self._lines += 1
        if self._lines <= LINES_A_SECOND:
            return True
        self._miss(1)
        return False

    def _miss(self, lines: int) -> None:
        if not self._missed:
            asyncio.get_running_loop().call_later(_SAY_S, self._say_missed)
        self._missed += lines
        count_dropped(lines)

    def _say_missed(self) -> None:
        log.warning(
            "%s: %d line(s) were dropped: it printed more than %d per second",
            self._who,
            self._missed,
            LINES_A_SECOND,
        )
        self._missed = 0
