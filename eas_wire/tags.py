"""The field tags of the messages in `proto/predict.proto`."""

from eas_wire.dtypes import STRING_VAL
from eas_wire.fields import LENGTH, VARINT, tag_of

# PredictRequest
SIGNATURE_NAME = tag_of(1, LENGTH)
INPUTS = tag_of(2, LENGTH)
OUTPUT_FILTER = tag_of(3, LENGTH)

# PredictResponse
OUTPUTS = tag_of(1, LENGTH)

# A map entry
KEY = tag_of(1, LENGTH)
VALUE = tag_of(2, LENGTH)

# ArrayProto, except its fields of numbers
DTYPE = tag_of(1, VARINT)
SHAPE = tag_of(2, LENGTH)
STRING = tag_of(STRING_VAL, LENGTH)

# ArrayShape
PACKED_DIM = tag_of(1, LENGTH)
DIM = tag_of(1, VARINT)
