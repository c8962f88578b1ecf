"""
Helpers for custom processors that work with numpy arrays: see docs/processors.md.

    @arrays(inputs={"x": ("float32", [-1, 4])}, outputs={"y": ("int64", [-1])})
    def process(model, x):
        return model.predict(x)

`arrays` turns a plain function into the hook `process`. `Signature` describes the inputs and
outputs of a model, and decodes and encodes bodies of both encodings. `decode` and `encode` handle
ArrayProto bodies without a signature. Raise `BadRequest` to refuse a request.
"""

from eas_processor.hooks.arrays import arrays
from eas_processor.hooks.errors import BadRequest
from eas_processor.hooks.plain import decode, encode
from eas_processor.hooks.signature import Signature
from eas_processor.link.frames import ARRAY_PROTO, EAS_JSON

__all__ = ["ARRAY_PROTO", "EAS_JSON", "BadRequest", "Signature", "arrays", "decode", "encode"]
