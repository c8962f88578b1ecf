"""What works only inside the vendor's network, under the name of their module."""

from ._endpoint import Endpoint, VipServerEndpoint
from .exception import PredictException

__all__ = ["Endpoint", "PredictException", "VipServerEndpoint"]
