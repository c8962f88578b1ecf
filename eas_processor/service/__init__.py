"""The service file, and the token, the model and the warm-up requests that it names."""

from eas_processor.service.fetch import fetch_model
from eas_processor.service.reading import LoadedService, load_service
from eas_processor.service.schema import Service, json_schema
from eas_processor.service.token import Token, resolve_token
from eas_processor.service.warmup import read_warm_up

__all__ = [
    "LoadedService",
    "Service",
    "Token",
    "fetch_model",
    "json_schema",
    "load_service",
    "read_warm_up",
    "resolve_token",
]
