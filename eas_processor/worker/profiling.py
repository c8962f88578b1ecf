"""Profile the processor for some seconds, on a separate thread, one profile at a time."""

import contextlib
import threading
from typing import Any, Callable, Dict, Optional

from eas_processor.link.codes import TOO_LARGE, UNAVAILABLE
from eas_processor.link.frames import PROFILED, pack
from eas_processor.worker.hooks import Answer, Processor

_MAX_BYTES = 64 * 1024 * 1024
"""The engine holds a whole profile of each instance in memory."""


class Profiling:
    """Answers each PROFILE frame with one PROFILED frame, which it passes to `tell`."""

    def __init__(self, tell: Callable[[bytes], None]) -> None:
        self._tell = tell
        self._running = threading.Lock()
        self._ended = threading.Event()

    def start(self, processor: Optional[Processor], number: int, asked: Dict[str, Any]) -> None:
        """Profile `processor` as PROFILE frame `number` asks, unless another profile runs."""
        if processor is None:
            self._answer(number, (UNAVAILABLE, b"the model is not loaded yet; try again"))
        elif not self._running.acquire(blocking=False):
            self._answer(number, (UNAVAILABLE, b"another profile is being taken; try again"))
        else:
            self._ended.clear()
            arguments = processor, number, asked
            threading.Thread(target=self._run, args=arguments, daemon=True).start()

    def end(self) -> None:
        """End a running profile early; it is then answered."""
        self._ended.set()

    def _run(self, processor: Processor, number: int, asked: Dict[str, Any]) -> None:
        try:
            answer = processor.profile(asked["levels"], lambda: self._ended.wait(asked["seconds"]))
        finally:
            self._running.release()
        # If the engine is gone, the worker ends anyway.
        with contextlib.suppress(ConnectionError):
            self._answer(number, answer)

    def _answer(self, number: int, answer: Answer) -> None:
        status, payload = answer
        if len(payload) > _MAX_BYTES:
            status = TOO_LARGE
            payload = b"the profile has %d bytes (limit %d); profile for a shorter time" % (
                len(payload),
                _MAX_BYTES,
            )
        self._tell(pack(PROFILED, payload, number, status))
