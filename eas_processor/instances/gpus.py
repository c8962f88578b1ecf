"""Which instance sees which GPUs."""

from __future__ import annotations

from eas_processor.contracts.settings import WorkerSettings


class Gpus:
    """Gives each instance of any service the cards that the fewest others have; or nothing."""

    def __init__(self) -> None:
        self._holders: dict[str, set[object]] = {}

    def take(self, instance: object, settings: WorkerSettings) -> dict[str, str]:
        """Return what a new instance has in its environment."""
        if not settings.gpus:
            return {}
        holders = {card: self._holders.setdefault(card, set()) for card in settings.gpus}
        free = sorted(holders, key=lambda card: len(holders[card]))[: settings.gpus_each]
        taken = [card for card in settings.gpus if card in free]
        for card in taken:
            holders[card].add(instance)
        return {"CUDA_VISIBLE_DEVICES": ",".join(taken)}

    def give_back(self, instance: object) -> None:
        """Note that an instance is gone."""
        for holders in self._holders.values():
            holders.discard(instance)
