"""Make the model `y = x @ weights + bias`. It needs `pip install onnx`."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MODEL = Path(__file__).parent / "build" / "linear.onnx"
WEIGHTS = np.array([[1, 0], [0, 1], [1, -1]], np.float32)
BIAS = np.array([0.5, -0.5], np.float32)


def main() -> None:
    """Write the model."""
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "weights", "bias"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 2])],
        [numpy_helper.from_array(WEIGHTS, "weights"), numpy_helper.from_array(BIAS, "bias")],
    )
    opset = helper.make_opsetid("", 13)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    MODEL.parent.mkdir(exist_ok=True)
    onnx.save(model, MODEL)
    print(MODEL)


if __name__ == "__main__":
    main()
