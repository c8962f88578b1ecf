"""
What `eas_wire` refuses, in one tree.

    WireError              INVALID_ARGUMENT  a body, or a tensor in it, that cannot be read
    ├── MalformedMessage   INVALID_ARGUMENT  cut off, or not protobuf at all
    │   └── TooManyFields  INVALID_ARGUMENT  more fields than are walked
    ├── UnsupportedDtype   INVALID_ARGUMENT  none, an unknown one, or one without values
    ├── MisplacedValues    INVALID_ARGUMENT  the values are in another field than the dtype's
    ├── ShapeMismatch      INVALID_ARGUMENT  impossible, or not for so many values
    ├── ValueOutOfRange    INVALID_ARGUMENT  a value that the dtype cannot hold
    ├── NameTooLong        INVALID_ARGUMENT  a name in a request, of more than 4,096 bytes
    └── EncodeError        INTERNAL          an array that cannot be sent as that dtype
"""


class WireError(ValueError):
    """A request or response cannot be read or written, said in one sentence."""

    code = "INVALID_ARGUMENT"


class MalformedMessage(WireError):
    """The bytes are not a message of the expected type."""


class TooManyFields(MalformedMessage):
    """The message has more fields than are walked."""


class UnsupportedDtype(WireError):
    """The dtype is missing, unknown, or has no values on the wire."""


class MisplacedValues(WireError):
    """The values are in a field that belongs to other dtypes."""


class ShapeMismatch(WireError):
    """The shape is impossible, or asks for another number of values."""


class ValueOutOfRange(WireError):
    """A value is outside the range of the dtype it is sent as."""


class NameTooLong(WireError):
    """A request has a name that is longer than any is read."""


class EncodeError(WireError):
    """An array or name cannot be written as the caller asks."""

    code = "INTERNAL"
