"""What a worker loads and how it runs: the payload of a LAUNCH frame."""

import json
from typing import Any, Dict, NamedTuple


class WorkerSpec(NamedTuple):
    """
    One worker, as the engine asks for it.

    `instance` is its number; `model_entry` and `model_config` are the arguments of `initialize`;
    `threads` run calls side by side on each channel; `batch_size` calls run together at the most,
    and a batch that is not full waits `batch_wait` seconds for more; `sigterm` is whether the
    processor's handler of SIGTERM runs before the end; `environment` is added to the process's;
    `gently` is whether it loads beside others that serve, and gives way to them.
    """

    instance: int
    model_entry: str
    model_config: str
    threads: int
    batch_size: int
    batch_wait: float
    sigterm: bool
    environment: Dict[str, str]
    gently: bool = False

    def pack(self) -> bytes:
        """Return the payload."""
        return json.dumps(self._asdict()).encode()

    @classmethod
    def unpack(cls, payload: Any) -> "WorkerSpec":
        """Return what `pack` made a payload of."""
        return cls(**json.loads(bytes(payload).decode()))
