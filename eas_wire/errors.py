"""
What `eas_wire` refuses, in one tree.

    WireError                400    a body, or a tensor in it, that cannot be read
    ├── MalformedMessage     400    the bytes are not the message: cut off, or not protobuf at all
    │   └── TooManyFields    400    more fields than are walked
    ├── UnsupportedDtype     400    no dtype, an unknown one, or one without values on the wire
    ├── MisplacedValues      400    the values are in another field than the dtype's
    ├── ShapeMismatch        400    the shape is impossible, or does not fit the number of values
    ├── ValueOutOfRange      400    a value that the dtype cannot hold
    └── EncodeError          500    an array that the wire cannot carry as the dtype asked for
"""


class WireError(ValueError):
    """A request or response cannot be read or written, said in one sentence."""

    status = 400


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


class EncodeError(WireError):
    """An array or name cannot be written as the caller asks."""

    status = 500
