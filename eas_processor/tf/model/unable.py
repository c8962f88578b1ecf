"""
Find the nodes of a graph that can never run in this process.

Such a node calls a Python function, which no model file contains, or has an op for which this
TensorFlow has no kernel on the present devices. The graph is only read, not run.
"""

import logging
from typing import Any, Dict, Iterable, Iterator, List, Set

from eas_processor.tf.errors import ModelError
from eas_processor.tf.model.adapt import find_op
from eas_processor.tf.model.signatures import Signature, public_names
from eas_processor.tf.runtime import kernels, tf
from eas_wire.text import list_names, quote

log = logging.getLogger(__name__)

_PYTHON = ("PyFunc", "PyFuncStateless", "EagerPyFunc")

# Only one branch of these ops runs, and which one is known only during a run.
_CHOICES = ("If", "StatelessIf", "Case", "StatelessCase")
_MERGES = ("Merge", "RefMerge")
_OF_LOOPS = ("Enter", "RefEnter", "NextIteration", "RefNextIteration")

# Ops that TensorFlow replaces by others before it looks for kernels.
_REPLACED = ("AccumulateNV2",)

# The device type of kernels that are registered for any device.
_ANY = "DEFAULT"


class Unable:
    """The nodes of a session's graph that cannot run: a clause with the reason, by node name."""

    def __init__(self, graph: Any, nodes: Dict[str, str]) -> None:
        self._graph = graph
        self.nodes = nodes

    def __bool__(self) -> bool:
        return bool(self.nodes)

    def outputs(self, signature: Signature) -> Dict[str, str]:
        """Return why outputs of a signature cannot be computed, by name; "" for those that can."""
        feeds = [spec.tensor_name for spec in signature.inputs.values()]
        return {name: self.why(spec.tensor_name, feeds) for name, spec in signature.outputs.items()}

    def leaves_something(self) -> bool:
        """Return whether any tensor that depends on an input can be computed."""
        operations = self._graph.get_operations()
        inputs = [op for op in operations if op.type.startswith("Placeholder")]
        lost = [op for op in operations if op.name in self.nodes]
        return not inputs or bool(_followers(inputs) - _followers(lost) - set(inputs))

    def why(self, fetch: str, feeds: Iterable[str] = ()) -> str:
        """Return the reason why a tensor cannot be computed from `feeds`, "" if it can be."""
        if not self.nodes:
            return ""
        fed = set(feeds)
        if fetch in fed:
            return ""
        try:
            pending = [self._graph.get_tensor_by_name(fetch).op]
        except (KeyError, ValueError):
            return ""  # A sparse or unknown tensor, which is refused when a request asks for it.
        seen = set(pending)
        while pending:
            op = pending.pop()
            if op.name in self.nodes:
                return self.nodes[op.name]
            sources = {tensor.op for tensor in _needed(op) if tensor.name not in fed}
            sources = sources.union(op.control_inputs) - seen
            seen |= sources
            pending.extend(sources)
        return ""


def _followers(ops: Iterable[Any]) -> Set[Any]:
    """Return `ops` and all ops that depend on them."""
    pending = list(ops)
    seen = set(pending)
    while pending:
        op = pending.pop()
        more = {each for tensor in op.outputs for each in tensor.consumers()} - seen
        seen |= more
        pending.extend(more)
    return seen


def _needed(op: Any) -> List[Any]:
    """Return the inputs without which an op never runs."""
    if op.type in _MERGES:
        return [each for each in op.inputs if each.op.type in _OF_LOOPS]
    return list(op.inputs)


def refuse_useless(path: str, unable: Unable, signatures: Dict[str, Signature]) -> None:
    """
    Raise ModelError if no output can be computed, and log the outputs that cannot be.

    Without signatures, any tensor that depends on an input counts as an output.
    """
    if not unable:
        return
    if not signatures:
        why = unable.nodes[min(unable.nodes)]
        if not unable.leaves_something():
            raise ModelError(f"the model at {path} cannot be served: {why}")
        log.warning("the model at %s cannot compute all of its outputs: %s", path, why)
        return
    able = False
    why = ""
    for signature in (signatures[name] for name in public_names(signatures)):
        lost = {name: each for name, each in unable.outputs(signature).items() if each}
        able = able or len(lost) < len(signature.outputs)
        if lost:
            why = lost[min(lost)]
            log.warning(
                "signature %s: the model cannot compute the outputs %s: %s",
                *(quote(signature.name), list_names(lost), why),
            )
    if why and not able:
        raise ModelError(f"the model at {path} cannot be served: {why}")


def find_unable(definition: Any, kinds: Iterable[str]) -> Dict[str, str]:
    """
    Return the nodes of a GraphDef that cannot run here: a clause with the reason, by node name.

    `kinds` are the kinds of the present devices. A node also cannot run if it always calls a
    function with such a node.
    """
    reasons = _Reasons(kinds)
    own = {
        function.signature.name: reasons.first(function) for function in definition.library.function
    }
    nodes = {node.name: why for node in definition.node for why in [reasons.why(node)] if why}
    if any(own.values()):
        calls = _Calls(definition, own)
        for node in definition.node:
            why = calls.why(node)
            if why:
                nodes.setdefault(node.name, why)
    return nodes


class _Reasons:
    """The reasons why nodes cannot run, apart from the functions that they call."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self._kinds = sorted(kinds)
        self._lacks_kernel: Dict[str, bool] = {}

    def why(self, node: Any) -> str:
        if node.op in _PYTHON:
            return (
                f"it calls a Python function (the op '{node.op}' named {quote(node.name)}), which "
                "is not in the model's file; write that step with TensorFlow's own ops and export "
                "the model again"
            )
        if self._lacks(node.op):
            return (
                f"TensorFlow {tf.__version__} has no kernel for its op '{node.op}' (named "
                f"{quote(node.name)}) on {' or '.join(self._kinds)}"
            )
        return ""

    def first(self, function: Any) -> str:
        if not any(map(self.why, function.node_def)):
            return ""
        return next((why for why in map(self.why, _kept(function)) if why), "")

    def _lacks(self, op: str) -> bool:
        lacks = self._lacks_kernel.get(op)
        if lacks is None:
            lacks = self._lacks_kernel[op] = op not in _REPLACED and self._find_lack(op)
        return lacks

    def _find_lack(self, op: str) -> bool:
        if find_op(op) is None:
            return False  # A function of the graph, or an unknown op, which the load refuses.
        found = {each.device_type for each in kernels.get_registered_kernels_for_op(op).kernel}
        return not found.intersection(self._kinds) and _ANY not in found


def _kept(function: Any) -> List[Any]:
    """Return the nodes of a function that run: those its results need, and those with effects."""
    nodes = {node.name: node for node in function.node_def}
    pending = [source.split(":")[0] for source in function.ret.values()]
    pending += getattr(function, "control_ret", {}).values()  # from 1.15 on
    pending += [node.name for node in function.node_def if _has_effects(node.op)]
    kept: Dict[str, Any] = {}
    while pending:
        name = pending.pop()
        if name in nodes and name not in kept:
            kept[name] = nodes[name]
            pending += [each.lstrip("^").split(":")[0] for each in nodes[name].input]
    return list(kept.values())


def _has_effects(op: str) -> bool:
    definition = find_op(op)
    return definition is not None and bool(definition.is_stateful)


class _Calls:
    """The reasons why nodes cannot run that lie in functions; `own` has each function's reason."""

    def __init__(self, definition: Any, own: Dict[str, str]) -> None:
        self._own = own
        self._functions = {each.signature.name: each for each in definition.library.function}
        self._found: Dict[str, str] = {}

    def why(self, node: Any) -> str:
        for name in self._called(node):
            why = self._of(name)
            if why:
                return why
        return ""

    def _of(self, name: str) -> str:
        if name not in self._found:
            self._found[name] = self._own[name]  # This ends a recursion.
            if not self._own[name]:
                whys = map(self.why, _kept(self._functions[name]))
                self._found[name] = next((why for why in whys if why), "")
        return self._found[name]

    def _called(self, node: Any) -> Iterator[str]:
        if node.op in self._own:
            yield node.op
        if node.op in _CHOICES:
            return
        for value in node.attr.values():
            kind = value.WhichOneof("value")
            if kind == "func" and value.func.name in self._own:
                yield value.func.name
            elif kind == "list":
                for each in value.list.func:
                    if each.name in self._own:
                        yield each.name
