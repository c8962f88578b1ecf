"""A service behind a gateway, under the name of the vendor's module."""

from ._endpoint import Endpoint, GatewayEndpoint
from .exception import PredictException

__all__ = ["Endpoint", "GatewayEndpoint", "PredictException"]
