"""The base of endpoints, under the name of the vendor's module."""

from ._endpoint import Endpoint
from .exception import PredictException

__all__ = ["Endpoint", "PredictException"]
