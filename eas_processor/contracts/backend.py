"""The backends that run calls, as the serving core sees them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from eas_processor.contracts.call import Call
from eas_processor.contracts.settings import ServiceSettings


class State(enum.Enum):
    """
    The states of an instance.

        STARTING ──▶ WARMING ──▶ READY ──▶ DRAINING ──▶ STOPPING ──▶ DEAD
                         ▼         ▲           ▲
                      ISOLATED ────┴───────────┘

    Every state can also change to STOPPING, when a start fails or the engine ends, and to DEAD,
    when the process dies.
    """

    STARTING = "starting"
    WARMING = "warming up"
    ISOLATED = "isolated"
    """The instance runs calls that another worker held when it died, one at a time."""
    READY = "ready"
    DRAINING = "draining"
    """The instance takes no new calls and finishes those that it holds."""
    STOPPING = "stopping"
    DEAD = "dead"


class Profiler(Protocol):
    """Profiles one instance with its processor's own tools, one profile at a time."""

    async def run(self, seconds: float, levels: dict[str, int]) -> tuple[int, bytes]:
        """
        Profile for `seconds`; return a status code, and the profile or one sentence of error.

        An empty profile means that nothing ran. `levels` are the processor's own. Cancelling the
        task ends the profile too.
        """

    def end(self) -> None:
        """End a running profile now; `run` then returns it."""


class Backend(Protocol):
    """
    One instance that runs calls: a worker, or the model in the engine's own process.

    `held` contains the calls that it has not answered yet, by number. Answers go to `Call.answer`.
    """

    number: int
    settings: ServiceSettings
    held: dict[int, Call]
    state: State
    pid: int

    @property
    def profiler(self) -> Profiler:
        """The profiler of this instance."""

    @property
    def busy(self) -> bool:
        """Whether it already holds as many calls as it runs at a time."""

    @property
    def ahead(self) -> int:
        """The number of calls that were sent ahead: they wait in its socket, as in the queue."""

    def has_credit(self, size: int) -> bool:
        """Whether a call of `size` bytes may be sent to it now."""

    def send(self, call: Call) -> None:
        """Add a call to those that the next `flush` sends."""

    def flush(self) -> None:
        """Send the calls that were added, so that it begins with them."""

    def flush_soon(self) -> None:
        """Flush after the event loop has read everything that has arrived."""

    def cancel(self, call: Call) -> None:
        """Tell it that nobody waits for `call` any more."""

    def serve(self) -> None:
        """Take calls from the queue from now on."""

    def isolate(self, on_credit: Callable[[Any], None]) -> None:
        """Take calls only from `on_credit`, until `serve` is called."""


class Instances(Protocol):
    """The instances of a service: workers, or the one that runs in the engine's process."""

    @property
    def info(self) -> dict[str, Any]:
        """
        The description of the model, as the newest ready instance gives it.

        It has the keys `info`, `info_code` and `info_status`. It is empty while none is ready.
        """

    @property
    def instances(self) -> Sequence[Backend]:
        """Every instance that is not dead, oldest first."""

    @property
    def dead(self) -> Sequence[dict[str, Any]]:
        """How the last few unexpected deaths happened, oldest first, in types that JSON has."""

    async def start(self) -> None:
        """Start every instance and wait until all are ready. Raises SetupError."""

    async def stop(self) -> None:
        """End every instance and wait until all have ended."""

    async def change(self, before: ServiceSettings, after: ServiceSettings) -> bool:
        """
        Replace the settings `before` by `after`, with an instance ready at all times.

        Return whether instances were replaced. Raises SetupError, and then `before` still serves.
        """
