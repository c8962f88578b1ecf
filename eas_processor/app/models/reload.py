"""Another configuration that comes over gRPC: read, served, and what metrics grew by meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from google.protobuf.message import DecodeError

from eas_processor.app.models.server import Models
from eas_processor.config.text_protos.messages import message_class
from eas_processor.config.text_protos.models_config import models_of
from eas_processor.errors import ServiceFileError
from eas_wire.fields import LENGTH, VARINT, length_field, tag_of
from eas_wire.varints import write_varint

_METRIC = tag_of(2, LENGTH)
_NAME = tag_of(1, LENGTH)
_INCREASE = tag_of(2, VARINT)


class Reloads:
    """Takes `ReloadConfigRequest`s for `models`; `page` gives the lines of the metrics."""

    def __init__(self, models: Models, page: Callable[[], Iterable[str]]) -> None:
        self._models = models
        self._page = page

    async def __call__(self, message: bytes) -> bytes:
        """
        Serve the models of a request and no others, and wait until new ones serve.

        Returns the fields `metric` of the answer. Raises SetupError; what served goes on.
        """
        request = message_class("tensorflow.serving.ReloadConfigRequest")()
        try:
            request.ParseFromString(message)
        except DecodeError as error:
            raise ServiceFileError(f"the request is no ReloadConfigRequest: {error}") from None
        if not request.config.HasField("model_config_list"):
            raise ServiceFileError(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        config = models_of(request.config, "config")
        names = list(request.metric_names)
        before = self._values(names)
        await self._models.apply(config)
        after = self._values(names)
        return b"".join(_metric(name, after[name] - before[name]) for name in names)

    def _values(self, names: list[str]) -> dict[str, int]:
        """Return the sum of each named counter over all its labels; 0 where there is none."""
        values = dict.fromkeys(names, 0)
        shown = {name.replace("/", ":"): name for name in names}
        if names:
            for line in self._page():
                name = line.partition("{")[0].partition(" ")[0]
                if name in shown:
                    values[shown[name]] += int(float(line.rpartition(" ")[2]))
        return values


def _metric(name: str, increase: int) -> bytes:
    content = length_field(_NAME, name.encode())
    content += write_varint(_INCREASE) + write_varint(max(0, increase))
    return length_field(_METRIC, content)
