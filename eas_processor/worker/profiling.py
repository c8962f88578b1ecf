"""A profile of the processor: for some seconds, on a thread of its own, one at a time."""

import contextlib
import threading
from typing import Any, Callable, Dict, Optional

from eas_processor.link.codes import TOO_LARGE, UNAVAILABLE
from eas_processor.link.frames import PROFILED, pack
from eas_processor.worker.hooks import Answer, Processor

_MOST_BYTES = 64 * 1024 * 1024
"""The engine holds what comes on `control` whole, and a profile of each instance at a time."""


class Profiling:
    """Answers each PROFILE by one PROFILED, which `tell` sends."""

    def __init__(self, tell: Callable[[bytes], None]) -> None:
        self._tell = tell
        self._running = threading.Lock()
        self._ended = threading.Event()

    def start(self, processor: Optional[Processor], number: int, asked: Dict[str, Any]) -> None:
        """Profile `processor` for the seconds that are asked for, unless another profile runs."""
        if processor is None:
            self._answer(number, (UNAVAILABLE, b"the model is not loaded yet; try again"))
        elif not self._running.acquire(blocking=False):
            self._answer(number, (UNAVAILABLE, b"another profile is being taken; try again"))
        else:
            self._ended.clear()
            arguments = processor, number, asked
            threading.Thread(target=self._run, args=arguments, daemon=True).start()

    def end(self) -> None:
        """Have a running profile end now, and be answered."""
        self._ended.set()

    def _run(self, processor: Processor, number: int, asked: Dict[str, Any]) -> None:
        try:
            answer = processor.profile(asked["levels"], lambda: self._ended.wait(asked["seconds"]))
        finally:
            self._running.release()
        # Without the engine the worker ends anyway.
        with contextlib.suppress(ConnectionError):
            self._answer(number, answer)

    def _answer(self, number: int, answer: Answer) -> None:
        status, payload = answer
        if len(payload) > _MOST_BYTES:
            status = TOO_LARGE
            payload = (
                b"the profile has %d bytes, and at most %d are taken; profile for a shorter time"
                % (len(payload), _MOST_BYTES)
            )
        self._tell(pack(PROFILED, payload, number, status))
