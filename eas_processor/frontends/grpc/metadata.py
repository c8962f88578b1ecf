"""`PredictionService.GetModelMetadata`: the signatures of a version."""

from __future__ import annotations

from functools import lru_cache

from eas_processor.contracts.refusals import BadRequest
from eas_processor.frontends.grpc.http2.head import StreamHead
from eas_processor.frontends.grpc.http2.stream import Method
from eas_processor.frontends.grpc.model_spec import first_field, read_spec, write_spec
from eas_processor.frontends.grpc.routes import PREDICTION_SERVICE, asker
from eas_processor.frontends.grpc.signature_messages import map_entry, signature_def_map
from eas_processor.frontends.grpc.simple import SimpleMethod
from eas_processor.frontends.grpc.wire import (
    LENGTH,
    MalformedError,
    fields,
    length_field,
    text_field,
)
from eas_processor.frontends.tfs_models import TfsModels, signatures_of

_FIELD = "signature_def"
_TYPE = "type.googleapis.com/tensorflow.serving.SignatureDefMap"
_REMEMBERED = 64
# Fields of the messages
_METADATA_FIELD = 2
_MODEL_SPEC, _METADATA = 1, 2


def metadata_methods(models: TfsModels) -> dict[bytes, Method]:
    """Return the method by its path."""
    return {
        PREDICTION_SERVICE + b"GetModelMetadata": SimpleMethod(
            lambda message, head: _model_metadata(models, message, head)
        )
    }


def _model_metadata(models: TfsModels, message: bytes, head: StreamHead) -> bytes:
    content = first_field([message])
    if not content:
        raise BadRequest("Missing ModelSpec")
    _check(_metadata_fields(message))
    wanted = read_spec(content).wanted
    entry = models.entry(wanted, asker(head))
    number, service = models.version(entry, wanted)
    spec = write_spec(entry.name, number, "")
    return length_field(_MODEL_SPEC, spec) + _metadata(signatures_of(service))


def _metadata_fields(message: bytes) -> list[str]:
    """Return the requested metadata fields. Raises BadRequest."""
    try:
        return [
            message[start:stop].decode()
            for number, kind, start, stop in fields(message)
            if number == _METADATA_FIELD and kind == LENGTH
        ]
    except (MalformedError, UnicodeDecodeError) as error:
        raise BadRequest(f"metadata_field cannot be read: {error}") from None


def _check(names: list[str]) -> None:
    if not names:
        raise BadRequest("GetModelMetadataRequest must specify at least one metadata_field")
    for name in names:
        if name != _FIELD:
            raise BadRequest(f"Metadata field {name} is not supported")


@lru_cache(_REMEMBERED)
def _metadata(signatures: str) -> bytes:
    """Return the field `metadata`. It is cached, so that signatures are converted only once."""
    packed = text_field(1, _TYPE) + length_field(2, signature_def_map(signatures))
    return map_entry(_METADATA, _FIELD, packed)
