"""The endpoint that works only in the vendor's network, under the name of the vendor's module."""

from ._endpoint import Endpoint, VipServerEndpoint
from .exception import PredictException

__all__ = ["Endpoint", "PredictException", "VipServerEndpoint"]
