"""The service file, and the token, model and warm-up requests that it names."""

from eas_processor.config.reading import LoadedService, load_service
from eas_processor.config.schema import Service, json_schema
from eas_processor.config.token import Token, resolve_token
from eas_processor.config.warm_up_file import read_warm_up
from eas_processor.model_store.fetch import fetch_model

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
