"""The signatures of `.tflite` files are read without TensorFlow."""

import os
import subprocess
import sys

import pytest

from eas_processor.tf.errors import ModelError
from eas_processor.tf.lite.file import read_lite_file

TFS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", "tfs")


def path_of(folder):
    return os.path.join(TFS, folder, "00000123", "model.tflite")


def test_without_signatures_tensors_go_by_their_names():
    file = read_lite_file(path_of("saved_model_half_plus_two_tflite"))
    (signature,) = file.signatures.values()
    assert signature.name == "serving_default"
    assert [str(each) for each in signature.inputs.values()] == ["DT_FLOAT [1, 1]"]
    assert (list(signature.inputs), list(signature.outputs)) == (["x"], ["y"])
    assert signature.inputs["x"].tensor_name == "x"


def test_signatures_of_the_metadata_entry():
    file = read_lite_file(path_of("saved_model_half_plus_two_tflite_with_sigdef"))
    shown = file.metadata["serving_default"]
    assert shown["method_name"] == "tensorflow/serving/predict"
    assert shown["inputs"]["x"] == {
        "dtype": "DT_FLOAT",
        "tensor_shape": {
            "dim": [{"size": "1", "name": ""}, {"size": "1", "name": ""}],
            "unknown_rank": False,
        },
        "name": "tflite_input:0",
    }
    assert file.signatures["serving_default"].outputs["y"].tensor_name == "y:0"


def test_strings_are_known_as_such():
    file = read_lite_file(path_of("parse_example_tflite"))
    assert file.signatures["serving_default"].inputs["input"].dtype_name == "DT_STRING"


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:100],
        lambda content: content.replace(b"TFL3", b"TFL2"),
        lambda content: content.replace(b"\x1a\x1atensorflow", b"\x1a\x7ftensorflow"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, damage):
    with open(path_of("saved_model_half_plus_two_tflite_with_sigdef"), "rb") as file:
        content = damage(file.read())
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        read_lite_file(str(path))
    said = str(caught.value)
    start = "{} is not a TensorFlow Lite model: its {} bytes".format(path, len(content))
    assert said.startswith(start)
    assert "\n" not in said


def test_tensorflow_is_not_imported():
    code = "import sys, eas_processor.tf.lite.file; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.call([sys.executable, "-c", code]) == 0
