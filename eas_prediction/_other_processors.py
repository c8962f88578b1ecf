"""Names that scripts import along with ours, for processors that this package does not speak to."""

from __future__ import annotations

from typing import Any

from .exception import InvalidRequest


class _Absent:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise InvalidRequest(
            f"{type(self).__name__} is not part of this package, which has TFRequest and "
            "StringRequest; the vendor's eas-prediction has it: install that in an environment of "
            "its own"
        )


class BladeRequest(_Absent):
    """A request to a Blade service."""


class BladeResponse(_Absent):
    """A response of a Blade service."""


class OnnxRequest(_Absent):
    """A request to an ONNX service."""


class OnnxResponse(_Absent):
    """A response of an ONNX service."""


class QueueClient(_Absent):
    """A client of the queue service."""


class TorchRequest(_Absent):
    """A request to a PyTorch service."""


class TorchResponse(_Absent):
    """A response of a PyTorch service."""
