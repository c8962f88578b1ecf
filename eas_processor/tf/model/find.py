"""
Finding a model on disk and reading what it takes and gives, without TensorFlow.

A model is a SavedModel directory (`saved_model.pb` or `saved_model.pbtxt`) or a frozen graph (a
`.pb` file).
"""

import os
from typing import Any, Dict, List, Tuple, Union

from google.protobuf import text_format
from google.protobuf.message import DecodeError

from eas_processor.tf.errors import ModelError
from eas_processor.tf.model.other_formats import other_format, visible
from eas_processor.tf.model.schema import GraphDef, SavedModel
from eas_processor.tf.model.signatures import Shape, Signature, TensorSpec
from eas_wire.text import list_names

SAVED_MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")

# TensorFlow and Keras put these beside `saved_model.pb`; they are no graphs.
_SIDE_FILES = ("fingerprint.pb", "keras_metadata.pb")

# Ops without a value worth fetching, although nothing consumes them.
_NO_OUTPUTS = frozenset(["Assert", "Const", "NoOp", "Placeholder", "PlaceholderWithDefault"])

_EXPECTED = "expected a SavedModel (saved_model.pb or saved_model.pbtxt) or one frozen graph (.pb)"


class MetaGraph:
    """
    One graph of a SavedModel: its tags, who wrote it, and its signatures by name.

    `saver_filename` is the tensor that takes the path of the variables, empty in a model without
    variables.
    """

    __slots__ = ("saver_filename", "signatures", "tags", "tensorflow_version")

    def __init__(
        self,
        tags: Tuple[str, ...],
        tensorflow_version: str,
        saver_filename: str,
        signatures: Dict[str, Signature],
    ) -> None:
        self.tags = tags
        self.tensorflow_version = tensorflow_version
        self.saver_filename = saver_filename
        self.signatures = signatures


class SavedModelSummary:
    """A SavedModel directory and its graphs."""

    __slots__ = ("meta_graphs", "path")

    def __init__(self, path: str, meta_graphs: List[MetaGraph]) -> None:
        self.path = path
        self.meta_graphs = meta_graphs


class FrozenGraphSummary:
    """
    A frozen graph: its placeholders, and the tensors that nothing in it consumes, which are likely
    outputs.

    The dtype of an output is 0 (`DT_INVALID`): the file does not say it.
    """

    __slots__ = ("likely_outputs", "path", "placeholders", "producer")

    def __init__(
        self,
        path: str,
        producer: int,
        placeholders: List[TensorSpec],
        likely_outputs: List[TensorSpec],
    ) -> None:
        self.path = path
        self.producer = producer
        self.placeholders = placeholders
        self.likely_outputs = likely_outputs


def find_model(entry: str) -> str:
    """
    Return the SavedModel directory or frozen graph file that `entry` means.

    It is `entry` itself, or lies in its only sub-directory, or in the one with the highest number
    as its name.
    """
    if not os.path.exists(entry):
        raise ModelError(f"no model at {entry}: there is no such file or directory")
    if os.path.isfile(entry):
        return _find_file(entry)
    names = visible(os.listdir(entry))
    if any(name in SAVED_MODEL_FILES for name in names):
        return entry
    graphs = [name for name in names if name.endswith(".pb") and name not in _SIDE_FILES]
    if len(graphs) == 1:
        return _find_file(os.path.join(entry, graphs[0]))
    if graphs:
        raise ModelError(
            f"several frozen graphs in {entry}: {list_names(graphs)}; name one in model_entry"
        )
    try:
        return find_model(os.path.join(entry, _choose_directory(entry, names)))
    except ModelError:
        other = other_format(entry)
        if other:
            raise ModelError(f"no model in {entry}: {_EXPECTED}; it is {other}") from None
        raise


def _find_file(path: str) -> str:
    if os.path.basename(path) in SAVED_MODEL_FILES:
        return os.path.dirname(path) or "."
    other = other_format(path)
    if other:
        raise ModelError(f"no model at {path}: {_EXPECTED}; it is {other}")
    return path


def _choose_directory(entry: str, names: List[str]) -> str:
    directories = [name for name in names if os.path.isdir(os.path.join(entry, name))]
    numbers = [name for name in directories if name.isdecimal()]
    if numbers:
        return max(numbers, key=int)
    if len(directories) == 1 and directories[0] not in ("variables", "assets"):
        return directories[0]
    if not names:
        raise ModelError(f"no model in {entry}: {_EXPECTED}, the directory is empty")
    if len(directories) > 1 and "variables" not in directories:
        raise ModelError(
            f"no model in {entry}: {_EXPECTED}, or one sub-directory, or sub-directories named by "
            f"version number; found {list_names(directories)}; name one in model_entry"
        )
    raise ModelError(f"no model in {entry}: {_EXPECTED}, found {list_names(names[:10])}")


def read_model(entry: str) -> Union[SavedModelSummary, FrozenGraphSummary]:
    """Find the model that `entry` means and return what its files say about it."""
    path = find_model(entry)
    return read_saved_model(path) if os.path.isdir(path) else read_frozen_graph(path)


def read_saved_model(directory: str) -> SavedModelSummary:
    """Return the graphs of the SavedModel in `directory`."""
    path = next(
        path
        for path in (os.path.join(directory, name) for name in SAVED_MODEL_FILES)
        if os.path.exists(path)
    )
    message = _parse(path, SavedModel(), "SavedModel")
    if not message.meta_graphs:
        raise ModelError(f"{path} is not a SavedModel: it holds no graph")
    return SavedModelSummary(directory, [_read_meta_graph(meta) for meta in message.meta_graphs])


def read_frozen_graph(path: str) -> FrozenGraphSummary:
    """Return the placeholders and likely outputs of the frozen graph in the file `path`."""
    graph = _parse(path, GraphDef(), "frozen graph")
    if not graph.node:
        raise ModelError(f"{path} is not a frozen graph: it holds no node")
    consumed = {name.lstrip("^").split(":")[0] for node in graph.node for name in node.input}
    return FrozenGraphSummary(
        path,
        graph.versions.producer,
        [
            _node_spec(node, node.attr["dtype"].type, _read_shape(node.attr["shape"]))
            for node in graph.node
            if node.op == "Placeholder"
        ],
        [
            _node_spec(node, 0, None)
            for node in graph.node
            if node.name not in consumed and node.op not in _NO_OUTPUTS
        ],
    )


def _parse(path: str, message: Any, kind: str) -> Any:
    with open(path, "rb") as file:
        data = file.read()
    try:
        if path.endswith(".pbtxt"):
            return text_format.Parse(data.decode("utf-8"), message, allow_unknown_field=True)
        message.ParseFromString(data)
        return message
    except (DecodeError, UnicodeDecodeError, text_format.ParseError):
        raise ModelError(
            f"{path} is not a {kind}: its {len(data)} bytes cannot be parsed, "
            "so it is cut off or of another kind"
        ) from None


def _read_meta_graph(meta: Any) -> MetaGraph:
    signatures = {
        name: Signature(
            name,
            signature.method_name,
            _read_specs(signature.inputs),
            _read_specs(signature.outputs),
        )
        for name, signature in sorted(meta.signature_def.items())
    }
    return MetaGraph(
        tuple(meta.meta_info_def.tags),
        meta.meta_info_def.tensorflow_version,
        meta.saver_def.filename_tensor_name,
        signatures,
    )


def _read_specs(infos: Any) -> Dict[str, TensorSpec]:
    return {alias: _read_spec(alias, info) for alias, info in sorted(infos.items())}


def _read_spec(alias: str, info: Any) -> TensorSpec:
    sparse = info.coo_sparse
    parts = (sparse.indices_tensor_name, sparse.values_tensor_name, sparse.dense_shape_tensor_name)
    shape = _read_shape(info, "tensor_shape")
    return TensorSpec(alias, info.name, info.dtype, shape, parts if any(parts) else ())


def _node_spec(node: Any, dtype: int, shape: Shape) -> TensorSpec:
    return TensorSpec(node.name, node.name + ":0", dtype, shape)


def _read_shape(owner: Any, field: str = "shape") -> Shape:
    shape = getattr(owner, field)
    if not owner.HasField(field) or shape.unknown_rank:
        return None
    return tuple(dim.size for dim in shape.dim)
