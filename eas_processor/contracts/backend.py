"""What runs calls for a version of a service, as the serving core sees it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from eas_processor.contracts.call import Call
from eas_processor.contracts.settings import ServiceSettings


class State(enum.Enum):
    """
    The life of an instance.

        STARTING ──▶ WARMING ──▶ READY ──▶ DRAINING ──▶ STOPPING ──▶ DEAD
                         ▼         ▲           ▲
                      ISOLATED ────┴───────────┘

    Each may also stop at once, when a start fails or the engine ends, and is dead when it dies.
    """

    STARTING = "starting"
    WARMING = "warming up"
    ISOLATED = "isolated"
    """It tries calls that were caught in another's death, one at a time."""
    READY = "ready"
    DRAINING = "draining"
    """It takes no more calls, and finishes those it has."""
    STOPPING = "stopping"
    DEAD = "dead"


class Profiler(Protocol):
    """Profiles one instance: for the tools of its processor, one profile at a time."""

    async def run(self, seconds: float, levels: dict[str, int]) -> tuple[int, bytes]:
        """
        Return a status code, and what the instance did in these seconds or one sentence.

        b"" says that nothing ran. `levels` are the processor's own. A task that is cancelled ends
        the profile too.
        """

    def end(self) -> None:
        """Have a running profile end now, and be returned."""


class Backend(Protocol):
    """
    One instance that runs calls: a worker, or the model in the engine's own process.

    `held` are the calls that it has not answered yet, by number. Answers go to `Call.answer`.
    """

    number: int
    settings: ServiceSettings
    held: dict[int, Call]
    state: State
    pid: int

    @property
    def profiler(self) -> Profiler:
        """What profiles it."""

    @property
    def busy(self) -> bool:
        """Whether it holds all that it works on at a time."""

    @property
    def ahead(self) -> int:
        """Calls that were sent ahead of its credit: they wait, as in the queue."""

    def has_credit(self, size: int) -> bool:
        """Whether it may be given a call of `size` bytes now."""

    def send(self, call: Call) -> None:
        """Give it a call, with the next `flush`."""

    def flush(self) -> None:
        """Have it begin with what was sent."""

    def flush_soon(self) -> None:
        """Do so once the loop has read all that has arrived."""

    def cancel(self, call: Call) -> None:
        """Tell it that nobody waits for `call`."""

    def serve(self) -> None:
        """Take calls like any other instance from now on."""

    def isolate(self, on_credit: Callable[[Any], None]) -> None:
        """Take calls from `on_credit` alone, until `serve` is called."""


class Instances(Protocol):
    """The instances of a service: workers, or the one that runs in the engine's process."""

    @property
    def info(self) -> dict[str, Any]:
        """What the newest ready instance says of its model: `info_code` and others, or nothing."""

    @property
    def instances(self) -> Sequence[Backend]:
        """Every instance that is not dead, oldest first."""

    @property
    def dead(self) -> Sequence[dict[str, Any]]:
        """The last few that died unasked, oldest first: how each ended, as JSON can hold it."""

    async def start(self) -> None:
        """Start every instance and wait until all are ready. Raises SetupError."""

    async def stop(self) -> None:
        """End every instance and wait until they are gone."""

    async def change(self, before: ServiceSettings, after: ServiceSettings) -> bool:
        """
        Serve `after` in the place of `before`, with somebody ready all the time.

        Return whether instances were replaced for it. Raises SetupError; `before` serves then.
        """
