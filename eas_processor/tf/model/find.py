"""
Find a model on disk, and read its inputs and outputs, without TensorFlow.

A model is a SavedModel directory (`saved_model.pb` or `saved_model.pbtxt`), a frozen graph (a `.pb`
file) or, if the caller asks for it, a TensorFlow Lite model (a `.tflite` file).
"""

import os
from typing import Any, Dict, Iterable, List, Optional, Tuple, Union

from google.protobuf import text_format
from google.protobuf.message import DecodeError

from eas_processor.tf.errors import ModelError
from eas_processor.tf.lite.file import LITE_FILE, LiteFile, read_lite_file
from eas_processor.tf.model.metadata import metadata_of
from eas_processor.tf.model.other_formats import other_format, visible
from eas_processor.tf.model.schema import GraphDef, SavedModel
from eas_processor.tf.model.signature_defs import read_shape, read_signatures
from eas_processor.tf.model.signatures import Shape, Signature, TensorSpec, public_names
from eas_wire.text import list_names

SAVED_MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")

SERVE_TAGS = ("serve",)

# TensorFlow and Keras write these beside `saved_model.pb`. They are not graphs.
_SIDE_FILES = ("fingerprint.pb", "keras_metadata.pb")

# Ops whose value is not an output, although no other op consumes it.
_NO_OUTPUTS = frozenset(["Assert", "Const", "NoOp", "Placeholder", "PlaceholderWithDefault"])

_EXPECTED = "expected a SavedModel (saved_model.pb or saved_model.pbtxt) or one frozen graph (.pb)"


class MetaGraph:
    """
    One graph of a SavedModel: its tags, the TensorFlow that wrote it, its signatures by name.

    `saver_filename` is the tensor that takes the path of the variables, or "" without variables.
    `placeholders` and `likely_outputs` are set only for a graph without signatures. `metadata` has
    the signatures in the JSON of TensorFlow Serving's `/metadata`.
    """

    __slots__ = (
        "likely_outputs",
        "metadata",
        "placeholders",
        "saver_filename",
        "signatures",
        "tags",
        "tensorflow_version",
    )

    def __init__(
        self,
        tags: Tuple[str, ...],
        tensorflow_version: str,
        saver_filename: str,
        signatures: Dict[str, Signature],
        placeholders: List[TensorSpec],
        likely_outputs: List[TensorSpec],
        metadata: Dict[str, Any],
    ) -> None:
        self.metadata = metadata
        self.tags = tags
        self.tensorflow_version = tensorflow_version
        self.saver_filename = saver_filename
        self.signatures = signatures
        self.placeholders = placeholders
        self.likely_outputs = likely_outputs


class SavedModelSummary:
    """A SavedModel directory and its graphs."""

    __slots__ = ("meta_graphs", "path")

    def __init__(self, path: str, meta_graphs: List[MetaGraph]) -> None:
        self.path = path
        self.meta_graphs = meta_graphs


class FrozenGraphSummary:
    """
    A frozen graph: its placeholders, and its likely outputs, which no op consumes.

    The dtype of an output is 0 (`DT_INVALID`), because the file does not tell it.
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


Summary = Union[SavedModelSummary, FrozenGraphSummary, LiteFile]
"""The description of a model from its files."""


def find_model(entry: str, prefer_lite: bool = False) -> str:
    """
    Return the path of the model at `entry`: a SavedModel directory or a frozen graph file.

    The model is `entry` itself, or in its only subdirectory, or in the one with the highest number
    as name. With `prefer_lite`, a file `model.tflite` there has precedence. Raises ModelError.
    """
    if not os.path.exists(entry):
        raise ModelError(f"no model at {entry}: there is no such file or directory")
    if os.path.isfile(entry):
        return entry if prefer_lite and is_lite(entry) else _find_file(entry)
    names = visible(os.listdir(entry))
    if prefer_lite and LITE_FILE in names:
        return os.path.join(entry, LITE_FILE)
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
        return find_model(os.path.join(entry, _choose_directory(entry, names)), prefer_lite)
    except ModelError:
        other = other_format(entry)
        if other:
            raise ModelError(f"no model in {entry}: {_EXPECTED}; it is {other}") from None
        raise


def is_lite(path: str) -> bool:
    """Return whether a path is that of a TensorFlow Lite model."""
    return path.endswith(".tflite")


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


def read_model(entry: str) -> Summary:
    """Find the model at `entry`, and return its description. Raises ModelError."""
    try:
        path = find_model(entry)
    except ModelError:
        path = find_model(entry, prefer_lite=True)
        if not is_lite(path):
            raise
        return read_lite_file(path)
    return read_saved_model(path) if os.path.isdir(path) else read_frozen_graph(path)


def read_saved_model(directory: str) -> SavedModelSummary:
    """Return the graphs of the SavedModel in `directory`. Raises ModelError."""
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
    """Return the placeholders and likely outputs of the frozen graph `path`. Raises ModelError."""
    graph = _parse(path, GraphDef(), "frozen graph")
    if not graph.node:
        raise ModelError(f"{path} is not a frozen graph: it holds no node")
    return FrozenGraphSummary(path, graph.versions.producer, *_open_ends(graph.node))


def choose_meta_graph(directory: str, tags: Optional[Tuple[str, ...]]) -> MetaGraph:
    """
    Return the graph with these tags of the SavedModel in `directory`.

    If `tags` is None, that is the only graph, or the one for serving. Raises ModelError if there is
    none, or if it has neither a signature nor a placeholder.
    """
    graphs = read_saved_model(directory).meta_graphs
    asked = set(SERVE_TAGS if tags is None else tags)
    chosen = graphs if tags is None and len(graphs) == 1 else []
    chosen = chosen or [meta for meta in graphs if set(meta.tags) == asked]
    if not chosen:
        found = "; ".join(_show_tags(meta.tags) for meta in graphs)
        raise ModelError(
            f"the model at {directory} has no graph with {_show_tags(sorted(asked))}, only {found};"
            " choose with model_config.tags, where [] is the graph without tags"
        )
    if not public_names(chosen[0].signatures) and not chosen[0].placeholders:
        raise ModelError(
            f"the model at {directory} cannot be called: it was saved without signatures, and has "
            "no placeholder to feed; save it with signatures= as docs/exporting.md shows, "
            "in short: call = tf.function(lambda x: model(x), input_signature=[tf.TensorSpec("
            "[None, 4], tf.float32, name='x')]); tf.saved_model.save(model, 'saved_model', "
            "signatures=call.get_concrete_function())"
        )
    return chosen[0]


def _show_tags(tags: Iterable[str]) -> str:
    names = list(tags)
    return f"the tags {list_names(names)}" if names else "no tags"


def _open_ends(nodes: Any, saver: str = "") -> Tuple[List[TensorSpec], List[TensorSpec]]:
    """
    Return the placeholders of a graph, and the tensors that no op consumes.

    `saver` is the tensor that takes the path of variables. Nodes in its scope are skipped.
    """
    filename = saver.partition(":")[0]
    scope = filename.rpartition("/")[0]
    consumed = {name.lstrip("^").split(":")[0] for node in nodes for name in node.input}
    placeholders, outputs = [], []
    for node in nodes:
        if node.name == filename or (scope and node.name.startswith(scope + "/")):
            continue
        if node.op == "Placeholder":
            shape = read_shape(node.attr["shape"])
            placeholders.append(_node_spec(node, node.attr["dtype"].type, shape))
        if node.name not in consumed and node.op not in _NO_OUTPUTS:
            outputs.append(_node_spec(node, 0, None))
    return placeholders, outputs


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
            "so it is incomplete or of another kind"
        ) from None


def _read_meta_graph(meta: Any) -> MetaGraph:
    signatures = read_signatures(meta.signature_def)
    saver = meta.saver_def.filename_tensor_name
    # Signatures make the search unnecessary, which would take long in a large graph.
    nodes = () if public_names(signatures) else meta.graph_def.node
    return MetaGraph(
        tuple(meta.meta_info_def.tags),
        meta.meta_info_def.tensorflow_version,
        saver,
        signatures,
        *_open_ends(nodes, saver),
        metadata=metadata_of(meta.signature_def),
    )


def _node_spec(node: Any, dtype: int, shape: Shape) -> TensorSpec:
    return TensorSpec(node.name, node.name + ":0", dtype, shape)
