"""
Adapt a graph that a newer TensorFlow wrote to the older one that runs it.

TensorFlow refuses a node with an attribute that its version of the op lacks, whatever the value.
Newer versions add attributes whose default value keeps the op's former behaviour. An attribute with
that value can be removed. With any other value, the older op would compute something else.
"""

import re
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

from tensorflow.python.framework import op_def_registry

from eas_processor.tf.runtime import ConfigProto

# TensorFlow's messages for an op, or an attribute of an op, that it lacks.
UNKNOWN_OP = re.compile(r"Op type not registered '([^']+)'|No Op named (\S+) in")
UNKNOWN_ATTR = re.compile(r"NodeDef mentions attr '([^']+)' not in Op<name=(\w+)")

# The TensorFlow versions of the processor builds, and the graph versions that they write.
RUNTIMES: Tuple[Tuple[str, int], ...] = (
    ("1.12", 27),
    ("1.14", 38),
    ("1.15", 134),
    ("2.3", 440),
    ("2.4", 561),
    ("2.7", 898),
    ("2.21", 2474),
)

_Harmless = Callable[[Any], bool]


def _is_false(value: Any) -> bool:
    return bool(value.WhichOneof("value") == "b" and not value.b)


def _is_zero(value: Any) -> bool:
    return bool(value.WhichOneof("value") == "i" and value.i == 0)


def _is_empty_text(value: Any) -> bool:
    return bool(value.WhichOneof("value") == "s" and not value.s)


def _is_empty_list(value: Any) -> bool:
    return bool(value.WhichOneof("value") == "list" and value.list.ByteSize() == 0)


def _anything(value: Any) -> bool:
    return True


def _is_plain_config(value: Any) -> bool:
    """Return whether a ConfigProto does not affect results: it may set devices and memory."""
    config = ConfigProto()
    config.ParseFromString(value.s)
    # Graph options control how graphs are rewritten, which may lower the precision.
    return bool(not config.HasField("graph_options"))


_CALL: Dict[str, _Harmless] = {
    "config": _is_empty_text,
    "config_proto": _is_plain_config,
    "executor_type": _is_empty_text,
}

# By op and attribute: a function that tells whether an attribute with a value can be removed.
HARMLESS: Dict[str, Dict[str, _Harmless]] = {
    "AssignVariableOp": {"validate_shape": _is_false},
    "BatchMatMulV2": {"grad_x": _is_false, "grad_y": _is_false},
    "Conv2D": {"explicit_paddings": _is_empty_list},
    "DepthwiseConv2dNative": {"explicit_paddings": _is_empty_list},
    "GatherNd": {"bad_indices_policy": _is_empty_text},
    "GatherV2": {"batch_dims": _is_zero},
    "MatMul": {"grad_a": _is_false, "grad_b": _is_false},
    "MaxPool": {"explicit_paddings": _is_empty_list},
    "MergeV2Checkpoints": {"allow_missing_files": _is_false},
    "PartitionedCall": _CALL,
    "ResizeBilinear": {"half_pixel_centers": _is_false},
    "ResizeNearestNeighbor": {"half_pixel_centers": _is_false},
    "ResourceGather": {"batch_dims": _is_zero},
    "StatefulPartitionedCall": _CALL,
    # `debug_name` is for people only. TensorFlow finds variables by `shared_name`.
    "VarHandleOp": {"allowed_devices": _is_empty_list, "debug_name": _anything},
}

# This op ends a mode in which each read copies a variable. Only training of sparse variables begins
# that mode. Older versions do not have it, so the op has no effect there.
_ENDS_COPYING = "DisableCopyOnRead"


class Changes(NamedTuple):
    """
    The changes that `adapt` made to a graph, and the attributes that it had to keep.

    `removed` has one text for each kind of change, and `kept` one for each attribute that could not
    be removed. TensorFlow may accept a kept attribute that has its default value. It does not check
    functions, so those in `kept_in_functions` would fail only when they run.
    """

    removed: List[str]
    kept: List[str]
    kept_in_functions: List[str]


def adapt(definition: Any) -> Changes:
    """Remove from a GraphDef and its functions what this TensorFlow lacks and does not need."""
    changes = Changes([], [], [])
    for node in definition.node:
        _adapt_node(node, changes.removed, changes.kept)
    for function in definition.library.function:
        for node in function.node_def:
            _adapt_node(node, changes.removed, changes.kept_in_functions)
    return changes


def _adapt_node(node: Any, removed: List[str], kept: List[str]) -> None:
    if node.op == _ENDS_COPYING and find_op(_ENDS_COPYING) is None:
        node.op = "NoOp"
        node.attr.clear()
        # A NoOp takes no tensors. Its control inputs stay, so that they still run before it.
        waits = [name for name in node.input if name.startswith("^")]
        del node.input[:]
        node.input.extend(waits)
        _note(removed, f"the op '{_ENDS_COPYING}'")
    op = find_op(node.op)
    if op is None:
        return
    known = {attr.name for attr in op.attr}
    for name in sorted(node.attr):
        if name in known or name.startswith("_"):
            continue
        harmless = HARMLESS.get(node.op, {}).get(name)
        what = f"the attribute '{name}' of the op '{node.op}'"
        if harmless is None or not harmless(node.attr[name]):
            _note(kept, f"{what} at the value {_show(node.attr[name])}")
        else:
            del node.attr[name]
            _note(removed, what)


def _note(texts: List[str], text: str) -> None:
    if text not in texts:
        texts.append(text)


def _show(value: Any) -> str:
    return " ".join(str(value).split())[:80] or "{}"


def find_op(name: str) -> Any:
    """Return TensorFlow's OpDef with that name, or None."""
    if hasattr(op_def_registry, "get"):
        return op_def_registry.get(name)
    return op_def_registry.get_registered_ops().get(name)  # TensorFlow 1


def is_of_newer_runtime(error: Exception) -> bool:
    """Return whether a load failed because this TensorFlow lacks an op or an attribute."""
    message = str(error)
    return bool(UNKNOWN_ATTR.search(message) or UNKNOWN_OP.search(message))


def oldest_build(tensorflow: Tuple[int, ...] = (), producer: int = 0) -> str:
    """
    Return advice on the oldest processor that can load a model.

    The model was written by that version of TensorFlow, or has graph version `producer`.
    """
    for name, version in RUNTIMES:
        parts = tuple(int(part) for part in name.split("."))
        if (tensorflow and parts >= tensorflow) or (producer and version >= producer):
            return f"the oldest processor that is sure to load it is tensorflow_cpu_{name}"
    return f"it is newer than every processor; the newest is tensorflow_cpu_{RUNTIMES[-1][0]}"
