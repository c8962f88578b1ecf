"""The TensorFlow processor with one codec more, CSV in and CSV out."""

import numpy as np

import eas_wire as wire
from eas_processor.codecs.codec import Codec
from eas_processor.codecs.errors import CodecError
from eas_processor.codecs.registry import register


class Csv(Codec):
    """Lines of numbers, for the only input of `predict_images`; the answer has the first output."""

    number = 201

    def decode(self, body, target):
        try:
            rows = [[float(cell) for cell in line.split(b",")] for line in bytes(body).splitlines()]
            array = np.array(rows, np.float32)
        except ValueError as error:
            raise CodecError(f"the body is not CSV of numbers: {error}") from None
        (name,) = target.input_names("predict_images")
        inputs = {name: wire.Tensor(wire.DT_FLOAT, array)}
        return wire.Request("predict_images", inputs, []), None

    def encode(self, outputs, form):
        rows = next(iter(outputs.values())).array.tolist()
        return b"".join(b",".join(b"%g" % cell for cell in row) + b"\n" for row in rows)


register(Csv())

from eas_processor.tf.hooks import *  # noqa: E402, F403
