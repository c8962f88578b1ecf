"""
What codecs refuse, in one tree.

    CodecError        INVALID_ARGUMENT  a body cannot be read, or outputs cannot be written
    └── UnknownCodec  UNIMPLEMENTED     no codec has this number

`eas_wire.WireError` is what the codec of `proto/predict.proto` raises.
"""


class CodecError(Exception):
    """A request cannot be read, or not be answered in its encoding, said in one sentence."""

    code = "INVALID_ARGUMENT"


class UnknownCodec(CodecError):
    """No codec has the number that came with a request."""

    code = "UNIMPLEMENTED"
