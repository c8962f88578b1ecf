"""
A client of PAI-EAS services, self-hosted or in the cloud.

    from eas_prediction import PredictClient, TFRequest

    client = PredictClient("http://127.0.0.1:8080", "digits")
    client.set_token("...")

    request = TFRequest("predict_images")
    request.add_feed("images", [1, 784], TFRequest.DT_FLOAT, [1.0] * 784)
    response = client.predict(request)
    print(response.get_values("scores"))
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ._other_processors import (
    BladeRequest,
    BladeResponse,
    OnnxData,
    OnnxDataHelper,
    OnnxRequest,
    OnnxResponse,
    QueueClient,
    TorchRequest,
    TorchResponse,
)
from ._retry import RetryPolicy
from ._signature import Signature, TensorSpec
from ._transport import PooledTransport, Transport
from .exception import (
    BadResponse,
    ConnectionLost,
    InvalidRequest,
    Overloaded,
    PredictException,
    Refused,
    ServiceFailed,
    TimedOut,
    Unauthorized,
    UnknownOutput,
    Untrusted,
)
from .predict_client import (
    ENDPOINT_TYPE_DEFAULT,
    ENDPOINT_TYPE_DIRECT,
    ENDPOINT_TYPE_GATEWAY,
    ENDPOINT_TYPE_VIPSERVER,
    PredictClient,
)
from .request import Request, Response
from .string_request import StringRequest, StringResponse
from .tf_request import TFRequest, TFResponse

if TYPE_CHECKING:
    from ._async_transport import AsyncPooledTransport, AsyncTransport
    from .async_client import AsyncPredictClient
    from .async_grpc_client import AsyncGrpcClient
    from .grpc_client import GrpcClient

# The same number as in eas_processor/__init__.py; setup.py checks that.
__version__ = "0.3.0"

__all__ = [
    "ENDPOINT_TYPE_DEFAULT",
    "ENDPOINT_TYPE_DIRECT",
    "ENDPOINT_TYPE_GATEWAY",
    "ENDPOINT_TYPE_VIPSERVER",
    "AsyncGrpcClient",
    "AsyncPooledTransport",
    "AsyncPredictClient",
    "AsyncTransport",
    "BadResponse",
    "BladeRequest",
    "BladeResponse",
    "ConnectionLost",
    "GrpcClient",
    "InvalidRequest",
    "OnnxData",
    "OnnxDataHelper",
    "OnnxRequest",
    "OnnxResponse",
    "Overloaded",
    "PooledTransport",
    "PredictClient",
    "PredictException",
    "QueueClient",
    "Refused",
    "Request",
    "Response",
    "RetryPolicy",
    "ServiceFailed",
    "Signature",
    "StringRequest",
    "StringResponse",
    "TFRequest",
    "TFResponse",
    "TensorSpec",
    "TimedOut",
    "TorchRequest",
    "TorchResponse",
    "Transport",
    "Unauthorized",
    "UnknownOutput",
    "Untrusted",
]


# These import asyncio, which takes 30 ms, or gRPC. Most scripts need neither.
_LATER = {
    "AsyncGrpcClient": "async_grpc_client",
    "AsyncPooledTransport": "_async_transport",
    "AsyncPredictClient": "async_client",
    "AsyncTransport": "_async_transport",
    "GrpcClient": "grpc_client",
}


def __getattr__(name: str) -> object:
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)
