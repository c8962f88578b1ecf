"""The TensorFlow processor with one codec more, number 201: CSV in, CSV out."""

import numpy as np

import eas_wire as wire
from eas_processor.codecs.codec import Codec
from eas_processor.codecs.errors import CodecError
from eas_processor.codecs.registry import register


class Csv(Codec):
    """Lines of float32 numbers, for the only input; the answer has the first output."""

    number = 201
    strict_shapes = False

    def decode(self, body, target):
        try:
            rows = [[float(cell) for cell in line.split(b",")] for line in bytes(body).splitlines()]
            array = np.array(rows, np.float32)
        except ValueError as error:
            raise CodecError(f"the body is not CSV of numbers: {error}") from None
        (name,) = target.input_names("")
        return wire.Request("", {name: wire.Tensor(wire.DT_FLOAT, array)}, []), None

    def encode(self, outputs, form):
        rows = next(iter(outputs.values())).array.tolist()
        return b"".join(b",".join(b"%g" % cell for cell in row) + b"\n" for row in rows)


register(Csv())

from eas_processor.tf.hooks import *  # noqa: E402, F403
