"""
Numpy arrays in and out, for processors of your own: see docs/processors.md.

    @arrays(inputs={"x": ("float32", [-1, 4])}, outputs={"y": ("int64", [-1])})
    def process(model, x):
        return model.predict(x)

`arrays` makes the hook of a plain function. `Signature` says what a model takes and gives, and
reads and writes the bodies of both encodings. `decode` and `encode` do so for ArrayProto alone,
without a signature. `BadRequest` is what to raise for a request that is wrong.
"""

from eas_processor.hooks.arrays import arrays
from eas_processor.hooks.errors import BadRequest
from eas_processor.hooks.plain import decode, encode
from eas_processor.hooks.signature import Signature
from eas_processor.link.frames import ARRAY_PROTO, EAS_JSON

__all__ = ["ARRAY_PROTO", "EAS_JSON", "BadRequest", "Signature", "arrays", "decode", "encode"]
