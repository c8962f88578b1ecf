"""
The errors of codecs, with their status codes.

    CodecError        INVALID_ARGUMENT  the body cannot be decoded, or the outputs not be encoded
    └── UnknownCodec  UNIMPLEMENTED     no codec has this number

The codec of `proto/predict.proto` raises `eas_wire.WireError` instead.
"""


class CodecError(Exception):
    """A request cannot be decoded, or its answer cannot be encoded; the message says why."""

    code = "INVALID_ARGUMENT"


class UnknownCodec(CodecError):
    """No codec has the number in the head of a request."""

    code = "UNIMPLEMENTED"
