"""`ModelService`: the status of versions, and changes of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from eas_processor.contracts.refusals import BadRequest, NotFound, Refusal
from eas_processor.contracts.shown import for_clients
from eas_processor.errors import EasError, NotAvailableError, StartError
from eas_processor.frontends.grpc.http2.head import StreamHead
from eas_processor.frontends.grpc.http2.stream import Method
from eas_processor.frontends.grpc.model_spec import first_field, read_spec
from eas_processor.frontends.grpc.routes import asker
from eas_processor.frontends.grpc.simple import SimpleMethod
from eas_processor.frontends.grpc.statuses import STATUSES
from eas_processor.frontends.grpc.wire import length_field, number_field, text_field
from eas_processor.frontends.tfs_models import TfsModels, states_of
from eas_processor.link import codes
from eas_processor.serving.version_states import Stage, VersionState

MODEL_SERVICE = b"/tensorflow.serving.ModelService/"

_STAGES = {
    Stage.START: 10,
    Stage.LOADING: 20,
    Stage.AVAILABLE: 30,
    Stage.UNLOADING: 40,
    Stage.END: 50,
}
# Fields of the messages
_VERSION, _STATE, _STATUS = 1, 2, 3
_ERROR_CODE, _ERROR_MESSAGE = 1, 2
_MODEL_VERSION_STATUS = _STATUS_OF_RELOAD = 1

Reload = Callable[[bytes], Coroutine[Any, Any, bytes]]
"""
Serves exactly the models of a serialized `ReloadConfigRequest`.

Returns the metrics that the request asks for, as fields of the answer. Raises EasError.
"""


class _NotReloaded(Refusal):
    """The configuration is unchanged. The code depends on the error."""

    def __init__(self, error: EasError) -> None:
        super().__init__(str(error))
        self.code = codes.INVALID_ARGUMENT
        if isinstance(error, NotAvailableError):
            self.code = codes.FAILED_PRECONDITION
        elif isinstance(error, StartError):
            self.code = codes.INTERNAL


def model_service_methods(models: TfsModels, reload: Reload | None) -> dict[bytes, Method]:
    """Return the methods by path. Without `reload`, the configuration cannot be changed."""
    methods: dict[bytes, Method] = {
        MODEL_SERVICE + b"GetModelStatus": SimpleMethod(
            lambda message, head: _model_status(models, message, head)
        )
    }
    if reload is not None:
        methods[MODEL_SERVICE + b"HandleReloadConfigRequest"] = SimpleMethod(
            lambda message, _: _reload(reload, message)
        )
    return methods


def _model_status(models: TfsModels, message: bytes, head: StreamHead) -> bytes:
    content = first_field([message])
    if not content:
        raise BadRequest("Missing ModelSpec")
    spec = read_spec(content)
    entry = models.listed(spec.wanted, asker(head))
    states = states_of(entry, spec.version)
    if spec.label:
        number = entry.labels.get(spec.label)
        if number is None:
            raise BadRequest(f"Unrecognized servable version label: {spec.label}")
        states = states_of(entry, number)
    if not states:
        missing = f"version {spec.version}" if spec.version else "any versions"
        raise NotFound(f"Could not find {missing} of model {entry.name}")
    return b"".join(
        length_field(_MODEL_VERSION_STATUS, _version_status(number, state))
        for number, state in sorted(states.items(), reverse=True)
    )


def _version_status(number: int, state: VersionState) -> bytes:
    status = _status(state.code, for_clients(state.message))
    return (
        number_field(_VERSION, number)
        + number_field(_STATE, _STAGES[state.stage])
        + length_field(_STATUS, status)
    )


def _status(code: int, message: str) -> bytes:
    """Return the content of a `StatusProto`."""
    return number_field(_ERROR_CODE, STATUSES[code]) + text_field(_ERROR_MESSAGE, message)


async def _reload(reload: Reload, message: bytes) -> bytes:
    try:
        metrics = await reload(message)
    except EasError as error:
        raise _NotReloaded(error) from error
    return length_field(_STATUS_OF_RELOAD, b"") + metrics
