"""
The errors of `eas_wire`, with their status codes.

    WireError              INVALID_ARGUMENT  the body, or a tensor in it, cannot be decoded
    ├── MalformedMessage   INVALID_ARGUMENT  the body is cut off, or is not protobuf
    │   └── TooManyFields  INVALID_ARGUMENT  the request has more than 2,097,152 fields
    ├── UnsupportedDtype   INVALID_ARGUMENT  the dtype is missing, unknown or without values
    ├── MisplacedValues    INVALID_ARGUMENT  the values are in the field of another dtype
    ├── ShapeMismatch      INVALID_ARGUMENT  the shape is invalid, or does not match the values
    ├── ValueOutOfRange    INVALID_ARGUMENT  the dtype cannot represent a value
    ├── NameTooLong        INVALID_ARGUMENT  a name in the request exceeds 4,096 bytes
    └── EncodeError        INTERNAL          an array or a name cannot be encoded
"""


class WireError(ValueError):
    """A request or response cannot be decoded or encoded; its message is one sentence."""

    code = "INVALID_ARGUMENT"


class MalformedMessage(WireError):
    """The bytes are not a message of the expected type."""


class TooManyFields(MalformedMessage):
    """The message has more than `fields.MAX_FIELDS` fields."""


class UnsupportedDtype(WireError):
    """The dtype is missing, unknown, or has no values on the wire."""


class MisplacedValues(WireError):
    """The values are in the field of another dtype."""


class ShapeMismatch(WireError):
    """The shape is invalid, or its size is not the number of values."""


class ValueOutOfRange(WireError):
    """A value is outside the range of its dtype."""


class NameTooLong(WireError):
    """A name in a request is longer than `decode.MAX_NAME_BYTES`."""


class EncodeError(WireError):
    """The caller's array or name cannot be encoded."""

    code = "INTERNAL"
