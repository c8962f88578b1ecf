"""All codecs, by number."""

from typing import Dict

from eas_processor.codecs.array_proto import ArrayProto
from eas_processor.codecs.codec import Codec
from eas_processor.codecs.eas_json.codec import EasJson
from eas_processor.codecs.errors import UnknownCodec
from eas_processor.codecs.tensor_proto.codec import (
    ClassifyProto,
    RegressProto,
    TensorContent,
    TensorProto,
)
from eas_processor.codecs.tensor_proto.multi_inference import MultiInference
from eas_processor.codecs.tfs_json.codec import TfsClassify, TfsPredict, TfsRegress

_codecs: Dict[int, Codec] = {}


def register(codec: Codec) -> None:
    """Add a codec. Raises ValueError if its number is taken."""
    if codec.number in _codecs:
        raise ValueError(f"codec {codec.number} is taken by {type(_codecs[codec.number]).__name__}")
    _codecs[codec.number] = codec


def find(number: int) -> Codec:
    """Return the codec with this number. Raises UnknownCodec."""
    codec = _codecs.get(number)
    if codec is None:
        raise UnknownCodec(f"unknown codec {number}: expected one of {sorted(_codecs)}")
    return codec


def inline_bytes(number: int) -> int:
    """Return the `inline_bytes` of a codec, or the default for an unknown number."""
    return _codecs.get(number, Codec).inline_bytes


register(ArrayProto())
register(EasJson())
register(TfsPredict())
register(TfsClassify())
register(TfsRegress())
register(TensorProto())
register(TensorContent())
register(ClassifyProto())
register(RegressProto())
register(MultiInference())
