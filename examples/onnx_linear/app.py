"""A processor that runs an ONNX model with numpy arrays."""

import onnxruntime

from eas_processor.hooks import arrays


def initialize(model_entry, model_config):
    return onnxruntime.InferenceSession(model_entry, providers=["CPUExecutionProvider"])


@arrays(inputs={"x": ("float32", [-1, 3])}, outputs={"y": ("float32", [-1, 2])}, by_row=True)
def process(session, x):
    (y,) = session.run(["y"], {"x": x})
    return y
