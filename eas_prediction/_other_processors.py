"""Names of the vendor's package for other processors. They import, but cannot be used."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from .exception import InvalidRequest


def _sentence(name: str) -> str:
    return (
        f"{name} is not part of this package, which calls TensorFlow services "
        "(eas_prediction.TFRequest) and services that take text or bytes (StringRequest); the "
        "vendor's eas-prediction has it: install that in an environment of its own"
    )


class _Named(type):
    def __getattr__(cls, name: str) -> Any:
        # For its constants and class methods. Python itself looks up names with underscores.
        raise AttributeError(name if name.startswith("_") else _sentence(f"{cls.__name__}.{name}"))


class _Absent(metaclass=_Named):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise InvalidRequest(_sentence(type(self).__name__))


class _AbsentModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        # The name includes the module, because this package has a `TFRequest` of its own.
        return _Named(f"{self.__name__.partition('.')[2]}.{name}", (_Absent,), {})


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


_CLASSES = {
    "blade_request": (BladeRequest, BladeResponse),
    "onnx_request": (OnnxRequest, OnnxResponse),
    "queue_client": (QueueClient,),
    "torch_request": (TorchRequest, TorchResponse),
}
_OTHER_MODULES = (
    "blade_pb2",
    "blade_tf_request",
    "easyrec_predict_pb2",
    "easyrec_request",
    "onnx_processor_data_helper",
    "onnx_processor_data_pb2",
    "pytorch_predict_pb2",
    "queue_types",
    "queue_types.queueservice_pb2",
    "torchrec_predict_pb2",
    "torchrec_request",
    "weighted_round_robin",
)


def _register() -> dict[str, ModuleType]:
    """Make modules with the vendor's names, from which any name can be imported."""
    modules: dict[str, ModuleType] = {}
    package = __name__.rpartition(".")[0]
    for name in (*_CLASSES, *_OTHER_MODULES):
        module = _AbsentModule(f"{package}.{name}", _sentence(name))
        for each in _CLASSES.get(name, ()):
            setattr(module, each.__name__, each)
        modules[name] = sys.modules[module.__name__] = module
    modules["queue_types"].__path__ = []  # a package
    modules["queue_types"].queueservice_pb2 = modules["queue_types.queueservice_pb2"]  # type: ignore[attr-defined]
    for name, made in modules.items():
        if "." not in name:
            setattr(sys.modules[package], name, made)
    return modules


_modules = _register()
OnnxData = _modules["onnx_processor_data_pb2"]
OnnxDataHelper = _modules["onnx_processor_data_helper"]
