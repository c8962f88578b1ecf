"""The payload of a LAUNCH frame: what a worker loads, and how it runs."""

import json
from typing import Any, Dict, NamedTuple


class WorkerSpec(NamedTuple):
    """
    The settings of one worker.

        instance       the number of the instance
        model_entry    the first argument of the hook `initialize`
        model_config   the second one, JSON as text
        threads        threads that run calls in parallel, on each channel
        batch_size     the most calls in one batch
        batch_wait     seconds that a batch waits for more calls unless it is full
        sigterm        whether the processor's SIGTERM handler runs before the worker ends
        environment    variables that are added to the environment
        low_priority   whether to load at a lower priority, because other workers serve meanwhile
    """

    instance: int
    model_entry: str
    model_config: str
    threads: int
    batch_size: int
    batch_wait: float
    sigterm: bool
    environment: Dict[str, str]
    low_priority: bool = False

    def pack(self) -> bytes:
        """Return the payload of the frame."""
        return json.dumps(self._asdict()).encode()

    @classmethod
    def unpack(cls, payload: Any) -> "WorkerSpec":
        """Return the settings in a payload."""
        return cls(**json.loads(bytes(payload).decode()))
