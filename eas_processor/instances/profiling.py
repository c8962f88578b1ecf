"""The engine's side of a worker's profiles: asked for and answered on `control`."""

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
    """Profiles one worker, whose `control` takes what is given to `write`."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._numbers = itertools.count(1)
        self._number = 0
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    async def run(self, seconds: float, levels: dict[str, int]) -> tuple[int, bytes]:
        """Return a status code, and the profile of these seconds or one sentence."""
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
        """Have a running profile end now, and be returned."""
        if self._answer is not None:
            self._write(pack(END_PROFILE))

    def answered(self, number: int, code: int, payload: bytes) -> None:
        """Take in what the worker has said to the PROFILE of this number."""
        if self._answer is not None and number == self._number and not self._answer.done():
            self._answer.set_result((code, payload))

    def died(self) -> None:
        """Note that the worker is gone."""
        self.answered(self._number, *_DIED)


class NoProfiler:
    """For an instance in the engine's own process, whose loop would not run meanwhile."""

    async def run(self, seconds: float, levels: dict[str, int]) -> tuple[int, bytes]:
        """Refuse."""
        return UNIMPLEMENTED, b"a model that runs inside the engine is not profiled"

    def end(self) -> None:
        """Do nothing: no profile runs."""
