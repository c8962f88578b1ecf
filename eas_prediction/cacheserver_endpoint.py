"""A direct connection, under the names of the vendor's module."""

from ._endpoint import DirectEndpoint, Endpoint

__all__ = ["CacheServerEndpoint", "Endpoint"]

CacheServerEndpoint = DirectEndpoint
