"""Load a SavedModel or a frozen graph into a v1 session, or load a TensorFlow Lite model."""

import contextlib
import logging
import os
import re
from typing import Any, Callable, Dict, Iterator, Tuple

from google.protobuf.message import DecodeError

from eas_processor.tf.config import ModelConfig
from eas_processor.tf.dtypes import WIRE_DTYPES
from eas_processor.tf.errors import ModelError
from eas_processor.tf.lite.file import read_lite_file
from eas_processor.tf.lite.interpreters import Interpreters
from eas_processor.tf.lite.runner import LiteRunner
from eas_processor.tf.model.adapt import (
    UNKNOWN_ATTR,
    UNKNOWN_OP,
    Changes,
    adapt,
    is_of_newer_runtime,
    oldest_build,
)
from eas_processor.tf.model.adapted_copy import adapted_copy
from eas_processor.tf.model.devices import Devices
from eas_processor.tf.model.find import MetaGraph, choose_meta_graph, find_model, is_lite
from eas_processor.tf.model.op_libraries import advice_for_op, import_contrib, load_op_libraries
from eas_processor.tf.model.session_config import session_config
from eas_processor.tf.model.signatures import Signature, public_names
from eas_processor.tf.model.tables import fill_tables
from eas_processor.tf.model.unable import Unable, find_unable, refuse_useless
from eas_processor.tf.run.graph_runner import GraphRunner
from eas_processor.tf.run.model import Model
from eas_processor.tf.run.run_errors import CALLS_PYTHON, PYTHON, clean
from eas_processor.tf.runtime import SavedModelLoader, tf, v1

log = logging.getLogger(__name__)

# A function that loads a model into a session; its second argument tells whether the graph is
# placed as a whole. It returns the nodes that cannot run, with reasons.
_Fill = Callable[[Any, bool], Dict[str, str]]

# Names of collections and of a signature. Each holds the op that fills a model's tables.
_INIT_OPS = ("saved_model_main_op", "legacy_init_op", "__saved_model_init_op")

# This is part of TensorFlow's message if variables are missing.
_VARIABLES = "/variables"

_VARIABLE_OPS = ("Variable", "VariableV2", "VarHandleOp")


def load(model_entry: str, config: ModelConfig) -> Model:
    """Load the model at `model_entry`. Raises ModelError with the reason and advice."""
    path = find_model(model_entry, config.prefer_tflite_model)
    if is_lite(path):
        return _load_lite(path, config)
    load_op_libraries(config.op_libraries, path)
    if os.path.isdir(path):
        meta = choose_meta_graph(path, config.tags)
        session, unable = _load_saved_model(path, meta, config)
        refuse_useless(path, unable, meta.signatures)
        _log_signatures(meta.signatures)
        runner = GraphRunner(session, meta.signatures, meta.saver_filename, config, unable)
        model = Model(runner, meta.signatures, config)
        model.metadata = meta.metadata
        return model
    session, unable = _load_frozen_graph(path, config)
    refuse_useless(path, unable, {})
    return Model(GraphRunner(session, {}, "", config, unable), {}, config)


def _load_lite(path: str, config: ModelConfig) -> Model:
    file = read_lite_file(path)
    runner = LiteRunner(file, Interpreters(file, config.intra_op_parallelism_threads))
    _log_signatures(file.signatures)
    model = Model(runner, file.signatures, config)
    model.metadata = file.metadata
    return model


def open_saved_model(path: str, config: ModelConfig) -> Any:
    """Return a session with the SavedModel in the directory `path`. Raises ModelError."""
    return _load_saved_model(path, choose_meta_graph(path, config.tags), config)[0]


class _Unplaceable(Exception):
    """The graph has nodes that cannot run, so a session cannot place it as a whole."""


def _open(fill: _Fill, config: ModelConfig, whole: bool = True) -> Tuple[Any, Unable]:
    """
    Return a session with a new graph into which `fill` has loaded a model, and its unable nodes.

    A graph that is not placed as a `whole` is placed part by part when it runs.
    """
    with tf.Graph().as_default() as graph:
        session = v1.Session(graph=graph, config=session_config(config, whole))
        try:
            nodes = fill(session, whole)
        except _Unplaceable:
            session.close()
            return _open(fill, config, whole=False)
        except BaseException:
            session.close()
            raise
    return session, Unable(graph, nodes)


def _load_saved_model(path: str, meta: MetaGraph, config: ModelConfig) -> Tuple[Any, Unable]:
    version = _version(meta.tensorflow_version)
    newer = version > _version(tf.__version__)
    written_by = f"TensorFlow {meta.tensorflow_version}" if meta.tensorflow_version else ""
    writer = written_by, oldest_build(tensorflow=version) if newer else ""

    def fill(session: Any, whole: bool, directory: str = path) -> Dict[str, str]:
        loader = SavedModelLoader(directory)
        found = loader.get_meta_graph_def_from_tags(meta.tags)
        nodes = _fit(session, found.graph_def, path, whole)
        loader.load(session, list(meta.tags))
        if not _fills_its_tables(found):
            nodes.update(fill_tables(session, path))
        return nodes

    def fill_adapted(session: Any, whole: bool) -> Dict[str, str]:
        with adapted_copy(path, meta.tags) as (directory, changes):
            with _reported(changes, path, *writer):
                return fill(session, whole, directory)

    try:
        return _open_either_way(fill, fill_adapted, config)
    except ModelError:
        raise
    except Exception as error:
        index = os.path.join(path, "variables", "variables.index")
        is_of_variables = _VARIABLES in str(error).replace(path, "")
        if meta.saver_filename and not os.path.exists(index) and is_of_variables:
            raise ModelError(f"cannot load the model at {path}: {index} is missing") from error
        raise _explain(error, path, *writer) from error


def _open_either_way(fill: _Fill, fill_adapted: _Fill, config: ModelConfig) -> Tuple[Any, Unable]:
    """Open the unchanged model, with `tf.contrib` if an op is missing, or else adapted."""
    try:
        return _open(fill, config)
    except Exception as error:
        if not is_of_newer_runtime(error):
            raise
        if import_contrib(error):
            return _open_either_way(fill, fill_adapted, config)
    return _open(fill_adapted, config)


def _fit(session: Any, definition: Any, path: str, whole: bool) -> Dict[str, str]:
    """Adapt a GraphDef to the session's devices; return the nodes that cannot run, with reasons."""
    devices = Devices(session)
    nodes = find_unable(definition, devices.kinds)
    if nodes and whole:
        raise _Unplaceable
    devices.fit(definition, path)
    return nodes


def _fills_its_tables(meta: Any) -> bool:
    """Return whether a MetaGraphDef names an op that `SavedModelLoader` runs at load."""
    return bool(set(_INIT_OPS).intersection([*meta.collection_def, *meta.signature_def]))


def _load_frozen_graph(path: str, config: ModelConfig) -> Tuple[Any, Unable]:
    definition = _read_frozen_graph(path)
    producer, running = definition.versions.producer, _graph_version()
    written_by = f"a TensorFlow of graph version {producer} (here {running})" if producer else ""
    writer = written_by, oldest_build(producer=producer) if producer > running else ""

    def fill(session: Any, whole: bool) -> Dict[str, str]:
        nodes = _fit(session, definition, path, whole)
        v1.import_graph_def(definition, name="")
        nodes.update(fill_tables(session, os.path.dirname(path)))
        return nodes

    def fill_adapted(session: Any, whole: bool) -> Dict[str, str]:
        with _reported(adapt(definition), path, *writer):
            return fill(session, whole)

    try:
        return _open_either_way(fill, fill_adapted, config)
    except ModelError:
        raise
    except Exception as error:
        raise _explain(error, path, *writer) from error


def _read_frozen_graph(path: str) -> Any:
    definition = v1.GraphDef()
    with open(path, "rb") as file:
        data = file.read()
    try:
        definition.ParseFromString(data)
    except DecodeError:
        raise ModelError(
            f"{path} is not a frozen graph: its {len(data)} bytes cannot be parsed, "
            "so it is incomplete or of another kind"
        ) from None
    if not definition.node:
        raise ModelError(f"{path} is not a frozen graph: it holds no node")
    for node in definition.node:
        if node.op in _VARIABLE_OPS:
            raise ModelError(
                f"{path} is not frozen: it has the variable '{node.name}', whose value is not in "
                "the file; freeze the graph, or export a SavedModel"
            )
    return definition


def _graph_version() -> int:
    version = tf.version.GRAPH_DEF_VERSION if hasattr(tf, "version") else tf.GRAPH_DEF_VERSION
    return int(version)


def _version(text: str) -> Tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


@contextlib.contextmanager
def _reported(changes: Changes, path: str, written_by: str, oldest: str) -> Iterator[None]:
    """Log the removed parts once the graph is loaded; raise ModelError for parts that remain."""
    if changes.kept_in_functions:
        raise _refusal(path, changes.kept_in_functions[0], written_by, oldest)
    try:
        yield
    except Exception as error:
        if changes.kept and UNKNOWN_ATTR.search(str(error)):
            raise _refusal(path, changes.kept[0], written_by, oldest) from error
        raise
    log.warning(
        "TensorFlow %s does not have %s, which the model at %s, written by %s, does not need: it "
        "was loaded without",
        tf.__version__,
        ", ".join(changes.removed),
        path,
        written_by or "an unknown TensorFlow",
    )


def _explain(error: Exception, path: str, written_by: str, oldest: str) -> ModelError:
    message = str(error)
    attr = UNKNOWN_ATTR.search(message)
    op = UNKNOWN_OP.search(message)
    if attr:
        what = f"the attribute '{attr.group(1)}' of the op '{attr.group(2)}'"
    elif op:
        name = op.group(1) or op.group(2)
        what = f"the op '{name}'"
        oldest = "; ".join(filter(None, [oldest, advice_for_op(name)]))
    else:
        said = clean(message)
        if PYTHON.match(said):
            said = f"an op that it runs at load {CALLS_PYTHON}"
        return ModelError(f"cannot load the model at {path}: {said}")
    return _refusal(path, what, written_by, oldest)


def _refusal(path: str, what: str, written_by: str, oldest: str) -> ModelError:
    advice = oldest or "a custom op needs the library that defines it"
    written = f"was written by {written_by} and " if written_by else ""
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
                    "signature '%s': a response of EAS cannot carry output '%s' %s; requests must "
                    "choose other outputs by output_filter",
                    signature.name,
                    spec.name,
                    spec,
                )
