"""Loading a SavedModel or a frozen graph into one v1 session."""

import logging
import os
import re
from typing import Any, Dict, Tuple

from google.protobuf.message import DecodeError

from eas_processor.tf.config import ModelConfig
from eas_processor.tf.dtypes import WIRE_DTYPES
from eas_processor.tf.errors import ModelError
from eas_processor.tf.model import Model
from eas_processor.tf.model_files import MetaGraph, find_model, read_saved_model
from eas_processor.tf.run_errors import clean
from eas_processor.tf.runtime import ConfigProto, tf, v1
from eas_processor.tf.signatures import Signature, list_names, public_names

log = logging.getLogger(__name__)

SERVE_TAGS = ("serve",)

_VARIABLE_OPS = ("Variable", "VariableV2", "VarHandleOp")

# What TensorFlow says of a graph that it has no op, or no attribute of an op, for.
_UNKNOWN_OP = re.compile(r"Op type not registered '([^']+)'|No Op named (\S+) in")
_UNKNOWN_ATTR = re.compile(r"NodeDef mentions attr '([^']+)' not in Op<name=(\w+)")


def load(model_entry: str, config: ModelConfig) -> Model:
    """Load the model that `model_entry` means; raise `ModelError` with what is wrong with it."""
    path = find_model(model_entry)
    graph = tf.Graph()
    session = v1.Session(
        graph=graph,
        config=ConfigProto(
            intra_op_parallelism_threads=config.intra_op_parallelism_threads,
            inter_op_parallelism_threads=config.inter_op_parallelism_threads,
        ),
    )
    try:
        if os.path.isdir(path):
            meta = _load_saved_model(session, path, config.tags or SERVE_TAGS)
            _log_signatures(meta.signatures)
            return Model(session, meta.signatures, meta.saver_filename, config)
        _load_frozen_graph(graph, path)
        return Model(session, {}, "", config)
    except Exception:
        session.close()
        raise


def _load_saved_model(session: Any, path: str, tags: Tuple[str, ...]) -> MetaGraph:
    meta = _choose_meta_graph(path, tags)
    try:
        with session.graph.as_default():
            v1.saved_model.loader.load(session, list(meta.tags), path)
    except Exception as error:
        index = os.path.join(path, "variables", "variables.index")
        if meta.saver_filename and not os.path.exists(index):
            raise ModelError(f"cannot load the model at {path}: {index} is missing") from error
        writer = f"TensorFlow {meta.tensorflow_version}"
        newer = _version(meta.tensorflow_version) > _version(tf.__version__)
        raise _explain(error, path, writer, newer) from error
    return meta


def _choose_meta_graph(path: str, tags: Tuple[str, ...]) -> MetaGraph:
    graphs = read_saved_model(path).meta_graphs
    for meta in graphs:
        if set(meta.tags) == set(tags):
            return meta
    found = "; ".join(list_names(meta.tags) for meta in graphs)
    raise ModelError(
        f"the model at {path} has no graph with the tags {list_names(tags)}, only {found}; "
        "choose with model_config.tags"
    )


def _load_frozen_graph(graph: Any, path: str) -> None:
    definition = v1.GraphDef()
    with open(path, "rb") as file:
        data = file.read()
    try:
        definition.ParseFromString(data)
    except DecodeError:
        raise ModelError(
            f"{path} is not a frozen graph: its {len(data)} bytes cannot be parsed, "
            "so it is cut off or of another kind"
        ) from None
    if not definition.node:
        raise ModelError(f"{path} is not a frozen graph: it holds no node")
    for node in definition.node:
        if node.op in _VARIABLE_OPS:
            raise ModelError(
                f"{path} is not frozen: it has the variable '{node.name}', whose value is "
                "elsewhere; freeze it, or export a SavedModel"
            )
    try:
        with graph.as_default():
            v1.import_graph_def(definition, name="")
    except Exception as error:
        producer, running = definition.versions.producer, _graph_version()
        writer = f"a TensorFlow of graph version {producer} (here {running})"
        raise _explain(error, path, writer if producer else "", producer > running) from error


def _graph_version() -> int:
    version = tf.version.GRAPH_DEF_VERSION if hasattr(tf, "version") else tf.GRAPH_DEF_VERSION
    return int(version)


def _version(text: str) -> Tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def _explain(error: Exception, path: str, writer: str, newer: bool) -> ModelError:
    message = str(error)
    attr = _UNKNOWN_ATTR.search(message)
    op = _UNKNOWN_OP.search(message)
    if attr is None and op is None:
        return ModelError(f"cannot load the model at {path}: {clean(message)}")
    if attr:
        what = f"the attribute '{attr.group(1)}' of the op '{attr.group(2)}'"
    else:
        what = f"the op '{op.group(1) or op.group(2)}'" if op else ""
    advice = (
        "use a processor of that TensorFlow or a newer one"
        if newer
        else "a custom op needs the library that defines it"
    )
    written = f"was written by {writer} and " if writer else ""
    return ModelError(
        f"cannot load the model at {path}: it {written}uses {what}, which TensorFlow "
        f"{tf.__version__} does not have; {advice}"
    )


def _log_signatures(signatures: Dict[str, Signature]) -> None:
    for signature in (signatures[name] for name in public_names(signatures)):
        for spec in signature.inputs.values():
            log.info("signature '%s': input '%s' %s", signature.name, spec.name, spec)
        for spec in signature.outputs.values():
            log.info("signature '%s': output '%s' %s", signature.name, spec.name, spec)
            if spec.dtype not in WIRE_DTYPES:
                log.warning(
                    "signature '%s': a response cannot carry output '%s' %s; requests have to "
                    "name others in output_filter",
                    signature.name,
                    spec.name,
                    spec,
                )
