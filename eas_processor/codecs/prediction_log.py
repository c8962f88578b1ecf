"""Read and write `PredictionLog`, the record of warm-up files and request logs."""

import struct
from typing import NamedTuple, Optional, Sequence

from eas_processor.codecs.errors import CodecError
from eas_processor.codecs.tensor_proto.codec import ClassifyProto, RegressProto, TensorProto
from eas_processor.codecs.tensor_proto.multi_inference import MultiInference
from eas_processor.codecs.tensor_proto.requests import write_model_spec
from eas_wire import MalformedMessage
from eas_wire.fields import FIXED64, LENGTH, VARINT, fields, length_field, tag_of
from eas_wire.varints import write_varint

_METADATA = tag_of(1, LENGTH)
_VERSION = tag_of(2, LENGTH)
_SAMPLING = tag_of(2, LENGTH)
_TAGS = tag_of(3, LENGTH)
_SECONDS = bytes([tag_of(4, VARINT)])
_RATE = struct.Struct("<Bd")
_REQUEST = tag_of(1, LENGTH)
_RESPONSE = tag_of(2, LENGTH)
_UNSUPPORTED = {tag_of(5, LENGTH): 5, tag_of(7, LENGTH): 7}
"""`session_run_log` and `predict_streamed_log`."""

LOG_FIELDS = {
    ClassifyProto.number: 2,
    RegressProto.number: 3,
    MultiInference.number: 4,
    TensorProto.number: 6,
}
"""The field of a request's log, by the number of the request's codec."""

_CODECS = {tag_of(field, LENGTH): codec for codec, field in LOG_FIELDS.items()}


class Logged(NamedTuple):
    """A logged request: the number of its codec, and its body."""

    codec: int
    body: bytes


class UnsupportedLog(CodecError):
    """The log is of a kind of request that is not supported."""

    code = "UNIMPLEMENTED"


def read_prediction_log(record: bytes) -> Optional[Logged]:
    """Return the request in a log, or None if the log is empty. Raises CodecError."""
    view = memoryview(record)
    kind, body = 0, b""
    try:
        for tag, start, stop in fields(view, 0, len(view)):
            if tag in _UNSUPPORTED:
                kind, body = tag, b""
            elif tag in _CODECS:
                # The last member of a oneof counts, and protobuf merges repetitions of the same.
                body = (body if tag == kind else b"") + _request(view, start, stop)
                kind = tag
    except MalformedMessage as error:
        raise CodecError(
            "the record of %d bytes is not a PredictionLog: %s" % (len(record), error)
        ) from None
    if kind in _UNSUPPORTED:
        raise UnsupportedLog("Unsupported log_type for warmup: %d" % _UNSUPPORTED[kind])
    return Logged(_CODECS[kind], body) if kind else None


def _request(view: memoryview, begin: int, end: int) -> bytes:
    return b"".join(
        [
            view[start:stop].tobytes()
            for tag, start, stop in fields(view, begin, end)
            if tag == _REQUEST
        ]
    )


def write_prediction_log(
    codec: int, request: bytes, response: bytes = b"", metadata: bytes = b""
) -> bytes:
    """
    Return the log of a request and its response.

    `codec` is the number of the request's codec, and `metadata` is a serialized `LogMetadata`.
    """
    log = length_field(_REQUEST, request)
    if response:
        log += length_field(_RESPONSE, response)
    tag = tag_of(LOG_FIELDS[codec], LENGTH)
    head = length_field(_METADATA, metadata) if metadata else b""
    return head + length_field(tag, log)


def write_metadata(
    model: str, version: int, sampling_rate: float, tags: Sequence[str], seconds: float
) -> bytes:
    """Return a serialized `LogMetadata`; `seconds` is the time since the epoch."""
    number = bytes([tag_of(1, VARINT)]) + write_varint(version)
    spec = write_model_spec(model, "") + length_field(_VERSION, number)
    sampling = _RATE.pack(tag_of(1, FIXED64), sampling_rate)
    return b"".join(
        [
            length_field(tag_of(1, LENGTH), spec),
            length_field(_SAMPLING, sampling),
            *[length_field(_TAGS, tag.encode()) for tag in tags],
            _SECONDS + write_varint(int(seconds)),
        ]
    )
