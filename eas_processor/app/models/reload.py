"""Answers `HandleReloadConfigRequest`: applies a new configuration of models over gRPC."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from eas_processor.app.models.server import Models
from eas_processor.frontends.grpc.wire import length_field, number_field, text_field


class Reloads:
    """Applies `ReloadConfigRequest`s to `models`. `page` returns the lines of the metrics."""

    def __init__(self, models: Models, page: Callable[[], Iterable[str]]) -> None:
        self._models = models
        self._page = page

    async def __call__(self, message: bytes) -> bytes:
        """
        Serve exactly the models in `message`, and wait until new ones serve.

        Returns the `metric` fields of the answer: how much each named counter has grown meanwhile.
        Raises SetupError; the models that served keep serving then.
        """
        from eas_processor.config.text_protos.models_config import read_reload

        config, names = read_reload(message)
        before = self._values(names)
        await self._models.apply(config)
        after = self._values(names)
        return b"".join(_metric(name, after[name] - before[name]) for name in names)

    def _values(self, names: list[str]) -> dict[str, int]:
        """Return the sum of each named counter over its labels, 0 for an unknown counter."""
        values = dict.fromkeys(names, 0)
        shown = {name.replace("/", ":"): name for name in names}
        if names:
            for line in self._page():
                name = line.partition("{")[0].partition(" ")[0]
                if name in shown:
                    values[shown[name]] += int(float(line.rpartition(" ")[2]))
        return values


def _metric(name: str, increase: int) -> bytes:
    return length_field(2, text_field(1, name) + number_field(2, max(0, increase)))
