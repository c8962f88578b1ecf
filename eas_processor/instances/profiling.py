"""The engine's side of profiling a worker: requests and answers on its `control` channel."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable

from eas_processor.link.codes import UNAVAILABLE, UNIMPLEMENTED
from eas_processor.link.frames import END_PROFILE, PROFILE, pack

_DIED = UNAVAILABLE, b"the worker died while it was profiled; try again"
_BUSY = UNAVAILABLE, b"another profile is being taken; try again"


class WorkerProfiler:
    """Profiles one worker. `write` sends bytes on its `control` channel."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._numbers = itertools.count(1)
        self._number = 0
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    async def run(self, seconds: float, levels: dict[str, int]) -> tuple[int, bytes]:
        """Profile for `seconds`; return a status code, and the profile or one sentence of error."""
        if self._answer is not None:
            return _BUSY
        self._number = next(self._numbers)
        self._answer = asyncio.get_running_loop().create_future()
        asked = {"seconds": seconds, "levels": levels}
        self._write(pack(PROFILE, json.dumps(asked).encode(), self._number))
        try:
            return await self._answer
        except asyncio.CancelledError:
            self.end()
            raise
        finally:
            self._answer = None

    def end(self) -> None:
        """End a running profile now; `run` then returns it."""
        if self._answer is not None:
            self._write(pack(END_PROFILE))

    def answered(self, number: int, code: int, payload: bytes) -> None:
        """Take the worker's answer to the PROFILE frame of this number."""
        if self._answer is not None and number == self._number and not self._answer.done():
            self._answer.set_result((code, payload))

    def died(self) -> None:
        """Answer a running profile, because the worker has died."""
        self.answered(self._number, *_DIED)


class NoProfiler:
    """Refuses profiles of an inline instance, because its event loop could not end them."""

    async def run(self, seconds: float, levels: dict[str, int]) -> tuple[int, bytes]:
        """Refuse to profile."""
        return UNIMPLEMENTED, b"an inline model, which runs inside the engine, cannot be profiled"

    def end(self) -> None:
        """Do nothing: no profile runs."""
