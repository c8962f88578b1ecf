import os
import pickle
import re
import zipfile

import pytest
from fixtures import need

from eas_processor.tf.errors import ModelError
from eas_processor.tf.model.find import find_model
from eas_processor.tf.model.other_formats import other_format
from eas_processor.tf.model.schema import GraphDef, SavedModel

HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(600)
ONNX = b"\x08\x08\x12\x07pytorch\x1a\x052.1.0" + b"\x3a\x80\x80\x04" + bytes(65536)
ONNX += b"\x42\x04\x0a\x00\x10\x11"
CORE_ML = b"\x08\x05\x12\x80\x40" + bytes(8192) + b"\xa2\x1f\x02\x0a\x00"
GRAPHS = SavedModel()
GRAPHS.meta_graphs.add().meta_info_def.tags.append("serve")
SAVED_MODEL = b"\x08\x01" + GRAPHS.SerializeToString()

LOAD_KERAS = "tf.keras.models.load_model("
OWN = "a custom processor can run this one"


def zip_of(path, *names):
    with zipfile.ZipFile(str(path), "w") as file:
        for name in names:
            file.writestr(name, b"x")


@pytest.mark.parametrize(
    "name, content, what, advice",
    [
        ("m.h5", HDF5 + b"keras_version\0model_config", "a Keras model in HDF5", LOAD_KERAS),
        ("m", HDF5 + b"\x003.15.1\0model_config", "a Keras model in HDF5", "model.export("),
        ("m", HDF5 + b"\x002.4.0\0model_config", "a Keras", "tf.saved_model.save(model, 'saved_"),
        ("m.keras", HDF5 + b"model_config", "a Keras model in HDF5", LOAD_KERAS),
        ("m.weights.h5", HDF5, "weights without their model", "model.load_weights("),
        ("tf_model.h5", HDF5, "the weights of a Transformers model", "TFAutoModel"),
        (
            "m.tflite",
            b"\x1c\0\0\0TFL3\x14\0",
            "a TensorFlow Lite model",
            "it cannot be converted back",
        ),
        ("m.pb", b"\x20\0\0\0TFL3", "a TensorFlow Lite model", "model.export("),
        ("m.onnx", ONNX, "an ONNX model", "onnx2tf -i "),
        ("m.pb", ONNX, "an ONNX model", "onnx2tf -i "),
        ("m.mlmodel", CORE_ML, "a Core ML model", "it cannot be converted back"),
        ("m", CORE_ML, "a Core ML model", "it cannot be converted back"),
        ("m.pb", SAVED_MODEL, "a SavedModel under another", "saved_model.pb"),
        ("m.pkl", pickle.dumps([1], 4), "a Python pickle", OWN),
        ("m.pt", b"\x80\x02\x8a\nl\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", "a Python pickle", OWN),
        ("m.safetensors", b"\x10" + bytes(7) + b'{"__metadata__":{}}', "a file of tensors", OWN),
        ("m.pmml", b'<?xml version="1.0"?>\n<PMML version="4.2">', "a PMML model", OWN),
        ("m.pbtxt", b'node {\n  name: "x"\n}', "a graph as text", "SerializeToString"),
        ("m.pb", b"version https://git-lfs.github.com/spec/v1\n", "of Git LFS", "git lfs pull"),
        ("m.pb", b"\n<!DOCTYPE html><html>", "a web page", "download the model itself"),
        (
            "._m.pb",
            b"\0\x05\x16\x07\0\x02\0\0Mac OS X",
            "metadata that macOS wrote",
            "without '._'",
        ),
    ],
)
def test_a_file_of_another_format_is_named(tmp_path, name, content, what, advice):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        find_model(str(path))
    assert str(caught.value).startswith("no model at {}: expected a SavedModel".format(path))
    assert what in str(caught.value)
    assert advice in str(caught.value)


@pytest.mark.parametrize(
    "names, what",
    [
        (["metadata.json", "config.json", "model.weights.h5"], "a Keras model (.keras)"),
        (["archive/data.pkl", "archive/version"], "a PyTorch file"),
        (["x.npy"], "a file of numpy arrays"),
        (["readme.txt"], ""),
    ],
)
def test_a_zip_file_of_another_format_is_named(tmp_path, names, what):
    zip_of(tmp_path / "m", *names)
    assert other_format(str(tmp_path / "m")).startswith(what)


@pytest.mark.parametrize(
    "names, what, advice",
    [
        (
            ["checkpoint", "model.ckpt-9.index", "model.ckpt-9.data-00000-of-00002"]
            + ["model.ckpt-9.meta"],
            "a directory of the checkpoint 'model.ckpt-9'",
            "import_meta_graph('{}/model.ckpt-9' + '.meta').restore(session, '{}/model.ckpt-9')",
        ),
        (
            ["ckpt-1.index", "ckpt-1.data-00000-of-00001"],
            "a directory of the checkpoint 'ckpt-1'",
            "tf.train.Checkpoint(model=model).restore('{}/ckpt-1')",
        ),
        (
            ["checkpoint", "m.index", "m.data-00000-of-00001", "eval/events", "train/events"],
            "a directory of the checkpoint 'm'",
            "",
        ),
        (
            ["variables/variables.index"],
            "a SavedModel without its graph",
            "copy that whole directory",
        ),
        (
            ["variables.index", "variables.data-00000-of-00001"],
            "a directory of the variables of a SavedModel, without its graph",
            "in the directory above them",
        ),
        (["metadata.json", "config.json", "model.weights.h5"], "an unpacked Keras", LOAD_KERAS),
        (
            ["model.json", "group1-shard1of1.bin"],
            "a TensorFlow.js model",
            "it cannot be converted back",
        ),
    ],
)
def test_a_directory_of_another_format_is_named(tmp_path, names, what, advice):
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    with pytest.raises(ModelError) as caught:
        find_model(str(tmp_path))
    assert "no model in {}: expected".format(tmp_path) in str(caught.value)
    assert "it is " + what in str(caught.value)
    assert advice.format(tmp_path, tmp_path) in str(caught.value)


@pytest.mark.parametrize("ending", ["index", "meta", "data-00000-of-00001"])
def test_a_file_of_a_checkpoint_is_named(tmp_path, ending):
    for each in ("index", "meta", "data-00000-of-00001"):
        (tmp_path / ("m.ckpt-1." + each)).write_bytes(b"\x0a\x01x")
    with pytest.raises(ModelError, match=r"it is a file of the checkpoint 'm\.ckpt-1'; docs"):
        find_model(str(tmp_path / ("m.ckpt-1." + ending)))
    (tmp_path / "m.ckpt-1.index").unlink()
    assert other_format(str(tmp_path / "m.ckpt-1.meta")) == ""


def test_the_newest_checkpoint_is_named(tmp_path):
    for number in (9, 10, 1):
        for ending in ("index", "data-00000-of-00001"):
            path = tmp_path / "m-{}.{}".format(number, ending)
            path.write_bytes(b"x")
            os.utime(str(path), (number, number))
    (tmp_path / "m-11.index").symlink_to("gone")
    assert "the checkpoint 'm-10'" in other_format(str(tmp_path))


def test_a_file_of_another_format_in_a_directory_is_named(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "model.h5").write_bytes(HDF5 + b"model_config")
    (tmp_path / "1" / "labels.txt").write_bytes(b"cat")
    with pytest.raises(ModelError, match=r"it is a directory with 'model\.h5', which is a Keras"):
        find_model(str(tmp_path))


def test_a_saved_model_beside_checkpoints_is_the_model(tmp_path):
    """As an estimator's `model_dir` has it."""
    (tmp_path / "export" / "1600000000").mkdir(parents=True)
    model = tmp_path / "export" / "1600000000" / "saved_model.pb"
    model.write_bytes(SAVED_MODEL)
    for name in ("checkpoint", "model.ckpt-0.index", "model.ckpt-0.data-00000-of-00001"):
        (tmp_path / name).write_bytes(b"x")
    assert find_model(str(tmp_path)) == str(model.parent)


def test_a_frozen_graph_is_no_other_format(tmp_path):
    graph = GraphDef()
    graph.node.add(name="x", op="Placeholder").attr["dtype"].type = 1
    for content in (graph.SerializeToString(), b"", b"\x08", b"PK\x03\x04", b"any"):
        (tmp_path / "m.pb").write_bytes(content)
        assert other_format(str(tmp_path / "m.pb")) == ""
    os.mkfifo(str(tmp_path / "pipe"))
    assert other_format(str(tmp_path / "pipe")) == ""


@pytest.mark.filterwarnings("ignore")  # Keras warns of numpy, and of HDF5
@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_the_lines_of_the_sentence_export_a_model(tmp_path, monkeypatch, name):
    tf = need.module("tensorflow")
    if not hasattr(tf.keras.Model, "export"):
        pytest.skip("Keras without export")
    keras = tf.keras
    monkeypatch.chdir(str(tmp_path))
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).save(name)
    code = re.search("in short: (.*)", other_format(name)).group(1)
    exec(code, {})
    assert find_model("saved_model") == "saved_model"
