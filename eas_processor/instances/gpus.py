"""Assigns GPUs to instances."""

from __future__ import annotations

from eas_processor.contracts.settings import WorkerSettings


class Gpus:
    """Assigns each instance of any service the least-used GPUs. Without GPUs it assigns none."""

    def __init__(self) -> None:
        self._holders: dict[str, set[object]] = {}

    def take(self, instance: object, settings: WorkerSettings) -> dict[str, str]:
        """Assign GPUs to a new instance, and return the environment variables that say so."""
        if not settings.gpus:
            return {}
        holders = {gpu: self._holders.setdefault(gpu, set()) for gpu in settings.gpus}
        free = sorted(holders, key=lambda gpu: len(holders[gpu]))[: settings.gpus_each]
        taken = [gpu for gpu in settings.gpus if gpu in free]
        for gpu in taken:
            holders[gpu].add(instance)
        return {"CUDA_VISIBLE_DEVICES": ",".join(taken)}

    def give_back(self, instance: object) -> None:
        """Release the GPUs of an instance that has ended."""
        for holders in self._holders.values():
            holders.discard(instance)
