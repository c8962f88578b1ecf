"""
Recognise files in other formats by their content, and tell how to export a model from them.

docs/exporting.md explains the same at length. The name of a file counts only if its content does
not tell the format.
"""

import os
import re
import zipfile
from typing import BinaryIO, Callable, List, Optional, Tuple

from eas_wire.text import list_names

_HEAD = 4096
# The part of an HDF5 file in which Keras writes the model's description, before the weights.
_SEARCHED = 16 * 1024 * 1024
_MAX_FIELDS = 20
_MAX_FILES = 50
_DATA = re.compile(r"\.data-\d{5}-of-\d{5}$")
_OF_CHECKPOINT = re.compile(r"(\.index|\.meta|\.data-\d{5}-of-\d{5})$")
_KERAS_2 = re.compile(rb"\x00[12]\.\d{1,2}\.\d{1,2}(-tf)?\x00")

_CODE = "docs/exporting.md shows how to export one, in short: "
_BY_KERAS = (
    f"{_CODE}import tensorflow as tf; model = tf.keras.models.load_model({{path!r}}); "
    "model.export('saved_model')"
)
# `export` came with Keras 2.13.
_BY_KERAS_2 = _BY_KERAS.replace("model.export(", "tf.saved_model.save(model, ")
_CODE_OF_YOURS = _CODE.replace("in short", "in short, with make_model() of your program")
_BY_WEIGHTS = (
    f"{_CODE_OF_YOURS}model = make_model(); model.load_weights({{path!r}}); "
    "model.export('saved_model')"
)
_BY_META_GRAPH = (
    f"{_CODE}import tensorflow.compat.v1 as tf; tf.disable_eager_execution(); "
    "session = tf.Session(); "
    "tf.train.import_meta_graph({path!r} + '.meta').restore(session, {path!r}); "
    "tensor = session.graph.get_tensor_by_name; tf.saved_model.simple_save("
    "session, 'saved_model', {{'x': tensor('x:0')}}, {{'y': tensor('y:0')}})"
)
_BY_OBJECTS = (
    f"{_CODE_OF_YOURS}model = make_model(); "
    "tf.train.Checkpoint(model=model).restore({path!r}); model.export('saved_model')"
)
_FROM_ITS_SOURCE = (
    "it cannot be converted back, so export the model from which it was made; "
    + _BY_KERAS.replace("{path!r}", "'model.keras'")
)
_AS_IT_IS = (
    "`tensorflow_model_server --prefer_tflite_model` serves it, as model.tflite in the directory "
    "of a version; "
)
_FROM_TEXT = (
    f"{_CODE}import tensorflow.compat.v1 as tf; from google.protobuf import text_format; "
    "graph = text_format.Parse(open({path!r}).read(), tf.GraphDef()); "
    "open('frozen.pb', 'wb').write(graph.SerializeToString())"
)
_BY_TRANSFORMERS = (
    f"{_CODE}from transformers import TFAutoModel; "
    "model = TFAutoModel.from_pretrained({path!r}); "
    "model.save_pretrained('exported', saved_model=True)"
)
_BY_ONNX2TF = "convert it, for example with onnx2tf: onnx2tf -i {path!r} -o saved_model -osd"
_OTHER_LIBRARY = "this processor runs models of TensorFlow; a custom processor can run this one"


def other_format(path: str) -> str:
    """
    Return a phrase after "is" that describes the file or directory at `path`, or "" if unknown.

    The phrase includes advice on how to export a model from it.
    """
    if os.path.isdir(path):
        return _of_directory(path)
    return _of_file(path) if os.path.isfile(path) else ""


def visible(names: List[str]) -> List[str]:
    """
    Return the sorted names without those that are never part of a model.

    macOS writes `._NAME` beside each file, `.DS_Store` and `__MACOSX`. File systems and file
    servers have directories of their own.
    """
    return sorted(name for name in names if not name.startswith(".") and name not in _NO_MODELS)


_NO_MODELS = frozenset(
    ["__MACOSX", "@eaDir", "lost+found", "$RECYCLE.BIN", "System Volume Information"]
)


def _of_file(path: str) -> str:
    prefix = _OF_CHECKPOINT.sub("", path)
    if prefix != path and os.path.isfile(prefix + ".index"):
        return "a file of " + _checkpoint(prefix, os.listdir(os.path.dirname(path) or "."))
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD)
        for tell in _FORMATS:
            found = tell(path, head)
            if found is not None:
                what, advice = found
                return f"{what}; {advice.format(path=path)}"
    except (OSError, zipfile.BadZipFile, ValueError):
        pass  # The load of the file raises a better error.
    return ""


# A description of the file, and advice on how to export a model from it.
_Found = Optional[Tuple[str, str]]


def _hdf5(path: str, head: bytes) -> _Found:
    if not head.startswith(b"\x89HDF\r\n\x1a\n"):
        return None
    with open(path, "rb") as file:
        content = file.read(_SEARCHED)
    if b"model_config" in content:
        return "a Keras model in HDF5 (.h5)", _BY_KERAS_2 if _KERAS_2.search(content) else _BY_KERAS
    if os.path.basename(path) == "tf_model.h5":
        return "the weights of a Transformers model", _BY_TRANSFORMERS.replace(
            "{path!r}", repr(os.path.dirname(path) or ".")
        )
    return "an HDF5 file (.h5), probably Keras weights without their model", _BY_WEIGHTS


def _zip(path: str, head: bytes) -> _Found:
    if not head.startswith(b"PK\x03\x04"):
        return None
    with zipfile.ZipFile(path) as file:
        names = file.namelist()
    top = names[0].partition("/")[0]
    if {"config.json", "model.weights.h5"}.issubset(names):
        return "a Keras model (.keras)", _BY_KERAS
    if {top + "/data.pkl", top + "/version"}.issubset(names):
        return "a PyTorch file (.pt, .pth)", _OTHER_LIBRARY
    if all(name.endswith(".npy") for name in names):
        return "a file of numpy arrays (.npz)", _OTHER_LIBRARY
    return None


def _tflite(path: str, head: bytes) -> _Found:
    if head[4:8] != b"TFL3":
        return None
    return "a TensorFlow Lite model (.tflite)", _AS_IT_IS + _FROM_ITS_SOURCE


def _onnx_or_coreml(path: str, head: bytes) -> _Found:
    """Recognise files that begin with a version in field 1; no frozen graph begins with it."""
    if head[:1] != b"\x08":
        return None
    fields = _numbers_of_fields(path)
    name = path.lower()
    if name.endswith(".onnx") or (7 in fields and 2 in fields):
        return "an ONNX model (.onnx)", _BY_ONNX2TF
    if name.endswith(".mlmodel") or any(number >= 200 for number in fields):
        return "a Core ML model (.mlmodel)", _FROM_ITS_SOURCE
    if fields[1:2] == [2] and head[1:2] == b"\x01":
        return "a SavedModel under another name", "name it saved_model.pb, beside its variables"
    return None


def _numbers_of_fields(path: str) -> List[int]:
    """Return the numbers of the first fields of a message, without reading their content."""
    numbers: List[int] = []
    with open(path, "rb") as file:
        while len(numbers) < _MAX_FIELDS:
            tag = _varint(file)
            if not tag or tag & 7 not in (0, 2):
                break
            numbers.append(tag >> 3)
            value = _varint(file)
            if value is None:
                break
            if tag & 7 == 2:
                file.seek(value, os.SEEK_CUR)
    return numbers


def _varint(file: BinaryIO) -> Optional[int]:
    """Read a varint; return None at the end of the file, or if there is none."""
    value = 0
    for shift in range(0, 63, 7):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return None


def _text(path: str, head: bytes) -> _Found:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS", "download the file itself, with: git lfs pull"
    if start[:14].lower() == b"<!doctype html" or start[:5].lower() == b"<html":
        return "a web page", "download the model itself: such pages are error or log-in pages"
    if b"<PMML" in head:
        return "a PMML model", _OTHER_LIBRARY
    if re.match(rb"node\s*\{", start):
        return "a graph as text (.pbtxt)", _FROM_TEXT
    if re.match(rb"model_checkpoint_path:", start):
        return "a list of checkpoints", "name its directory in model_entry to see more"
    return None


def _other(path: str, head: bytes) -> _Found:
    if head.startswith((b"\x00\x05\x16\x07", b"\x00\x05\x16\x00")):
        return "metadata that macOS wrote for another file", "name the file itself, without '._'"
    if head[8:10] == b'{"' and int.from_bytes(head[:8], "little") < 100 * 1024 * 1024:
        return "a file of tensors (.safetensors)", _OTHER_LIBRARY
    if re.match(rb"\x80[\x02-\x05]", head):
        return "a Python pickle, as PyTorch, scikit-learn and joblib write", _OTHER_LIBRARY
    return None


_FORMATS: Tuple[Callable[[str, bytes], _Found], ...] = (
    *(_hdf5, _zip, _tflite, _onnx_or_coreml, _text, _other),
)


def _of_directory(path: str) -> str:
    names = visible(os.listdir(path))
    prefixes = [name[: -len(".index")] for name in names if name.endswith(".index")]
    for prefix in sorted(prefixes, key=_age_of(path), reverse=True):
        if any(name.startswith(prefix) and _DATA.search(name) for name in names):
            return "a directory of " + _checkpoint(os.path.join(path, prefix), names)
    if "variables" in names and os.path.isdir(os.path.join(path, "variables")):
        return (
            "a SavedModel without its graph: saved_model.pb is beside variables where the model "
            "was exported; copy that whole directory"
        )
    if "config.json" in names and "model.weights.h5" in names:
        return (
            "an unpacked Keras model, and Keras reads only the .keras file itself; "
            + _BY_KERAS.format(path="model.keras")
        )
    if "model.json" in names and any(name.endswith(".bin") for name in names):
        return f"a TensorFlow.js model; {_FROM_ITS_SOURCE}"
    for name in names[:_MAX_FILES]:
        file = os.path.join(path, name)
        found = _of_file(file) if os.path.isfile(file) else ""
        if found:
            return f"a directory with {list_names([name])}, which is {found}"
    return ""


def _age_of(path: str) -> Callable[[str], float]:
    def age(prefix: str) -> float:
        try:
            return os.path.getmtime(os.path.join(path, prefix + ".index"))
        except OSError:
            return 0.0  # a dangling link

    return age


def _checkpoint(prefix: str, names: List[str]) -> str:
    name = os.path.basename(prefix)
    if name == "variables":
        return (
            "the variables of a SavedModel, without its graph: saved_model.pb is in the directory "
            "above them where the model was exported; copy and name that whole directory"
        )
    advice = _BY_META_GRAPH if name + ".meta" in names else _BY_OBJECTS
    return f"the checkpoint '{name}'; {advice.format(path=prefix)}"
