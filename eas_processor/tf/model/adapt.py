"""
Fitting a graph that a newer TensorFlow wrote to the older one that is to run it.

TensorFlow refuses a node that has an attribute which its own version of the op lacks, whatever the
attribute's value. Newer versions add attributes whose default is what the op did before: at that
value the attribute can go, at any other the older op would compute something else.
"""

import re
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

from tensorflow.python.framework import op_def_registry

from eas_processor.tf.runtime import ConfigProto

# What TensorFlow says of a graph that it has no op, or no attribute of an op, for.
UNKNOWN_OP = re.compile(r"Op type not registered '([^']+)'|No Op named (\S+) in")
UNKNOWN_ATTR = re.compile(r"NodeDef mentions attr '([^']+)' not in Op<name=(\w+)")

# TensorFlow of the processor builds, and the graph version that it writes.
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
    """Tell whether a ConfigProto leaves the computation alone: it may name devices and memory."""
    config = ConfigProto()
    config.ParseFromString(value.s)
    # How graphs are rewritten, which can lower the precision.
    return bool(not config.HasField("graph_options"))


_CALL: Dict[str, _Harmless] = {
    "config": _is_empty_text,
    "config_proto": _is_plain_config,
    "executor_type": _is_empty_text,
}

# op: attribute: whether a value of it can go.
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
    # A name for people who read a debugger's output; variables are found by `shared_name`.
    "VarHandleOp": {"allowed_devices": _is_empty_list, "debug_name": _anything},
}

# It ends a mode of a variable in which every read copies it, and which only training of sparse
# variables begins. An older TensorFlow has no such mode, so there it has nothing to do.
_ENDS_COPYING = "DisableCopyOnRead"


class Changes(NamedTuple):
    """
    What `adapt` did to a graph: what it took away, and what it had to leave.

    `removed` has one text for each kind of change, `kept` one for each attribute that could not be
    removed. TensorFlow itself may see that one is at its default, but not in functions, which
    `kept_in_functions` is about: they fail only when they run.
    """

    removed: List[str]
    kept: List[str]
    kept_in_functions: List[str]


def adapt(definition: Any) -> Changes:
    """Take from a GraphDef, functions included, what this TensorFlow lacks and does not need."""
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
        # A NoOp takes no tensors. What was to run before it still does.
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
    """Return TensorFlow's own OpDef of that name; None where it has none."""
    if hasattr(op_def_registry, "get"):
        return op_def_registry.get(name)
    return op_def_registry.get_registered_ops().get(name)  # TensorFlow 1


def is_of_newer_runtime(error: Exception) -> bool:
    """Tell whether a load failed since this TensorFlow lacks an op or an attribute."""
    message = str(error)
    return bool(UNKNOWN_ATTR.search(message) or UNKNOWN_OP.search(message))


def oldest_build(tensorflow: Tuple[int, ...] = (), producer: int = 0) -> str:
    """Return which processor is sure to load what that TensorFlow, or that graph version, wrote."""
    for name, version in RUNTIMES:
        parts = tuple(int(part) for part in name.split("."))
        if (tensorflow and parts >= tensorflow) or (producer and version >= producer):
            return f"the oldest processor that is sure to load it is tensorflow_cpu_{name}"
    return f"it is newer than every processor, whose newest is tensorflow_cpu_{RUNTIMES[-1][0]}"
