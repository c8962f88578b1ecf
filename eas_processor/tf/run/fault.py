"""
Decide whether an error of a run is the request's fault or the model's.

TensorFlow's error class does not tell: a constant that cannot be parsed is an InvalidArgument, too.
So the graph is searched: an op that does not depend on the request's inputs would fail with any
other request, and its error is the model's fault.
"""

import re
from typing import Any, Collection, Dict, List, NamedTuple, Optional, Set, Tuple

from eas_processor.tf.runtime import tf

_errors = tf.errors

# Errors that are the request's fault unless the graph shows otherwise.
_OF_VALUES = (_errors.InvalidArgumentError, _errors.OutOfRangeError)

# Errors about files and state. They are the request's fault only if the op that failed is found,
# and depends on the request: decompressing or parsing its bytes raises the first, and opening a
# file that it names raises the others.
_OF_DATA = (_errors.DataLossError,)
_OF_FILES = (
    _errors.NotFoundError,
    _errors.PermissionDeniedError,
    _errors.FailedPreconditionError,
    _errors.UnimplementedError,
)
_READS_FILES = ("ReadFile", "MatchingFiles")

# Errors for more dimensions than a kernel supports, in the messages of several versions.
_OF_SHAPES = (_errors.UnimplementedError, _errors.AbortedError)
_SHAPES = re.compile(r"Broadcast between|\b(dim|dimension|rank)s?\b", re.IGNORECASE)

# InvalidArgument errors that are always the model's fault. Only the beginning of a message counts,
# because the rest may quote a value of the request.
_OF_MODELS = re.compile(
    r"(\w+: )?(callback \S{1,99} is not found|Could not find callback|No OpKernel was registered"
    r"|Cannot assign a device|Op type not registered|[Ff]unction \S{1,200} is not defined"
    r"|No registered '|[\w ]{0,99} only supports? (the )?NHWC|Detected unsupported operations"
    r"|End of sequence)"
)

# TensorFlow appends the op that failed to its messages, and from 2.0 on its function before it.
_APPENDED = re.compile(
    r"\[\[(?:\{\{function_node (?P<function>[^{}]+)\}\}\s*)?\{\{node (?P<node>[^{}]+)\}\}"
    r"[^\n]*\]\]\s*$"
)
_TAIL = 2000

_MAX_KNOWN = 1000

# Ops that run their functions conditionally or repeatedly.
_CHOOSES = ("If", "StatelessIf", "Case", "StatelessCase", "While", "StatelessWhile")

# DT_RESOURCE and DT_VARIANT, the dtypes of variables, tables and iterators.
_STATES = (20, 21)


class Faults:
    """Decides whose fault errors of one graph are. Safe to use from several threads."""

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._functions: Optional[_Functions] = None
        self._known: Dict[Any, Optional[bool]] = {}

    def is_request_fault(self, error: Any, message: str, feeds: Collection[str]) -> bool:
        """
        Return whether an OpError with this message is the request's fault.

        `feeds` are the names of the tensors that the request fed.
        """
        if isinstance(error, _OF_VALUES):
            return not _OF_MODELS.match(message) and self._depends(message, feeds) is not False
        if isinstance(error, _OF_SHAPES) and _SHAPES.search(message):
            return self._depends(message, feeds) is True
        if isinstance(error, _OF_DATA):
            return self._depends(message, feeds) is True
        if isinstance(error, _OF_FILES):
            return self._depends(message, feeds, _READS_FILES) is True
        return False

    def _depends(
        self, message: str, feeds: Collection[str], types: Collection[str] = ()
    ) -> Optional[bool]:
        """
        Return whether the op that failed depends on `feeds`, or None if that is unknown.

        With `types`, the op must also have one of these types.
        """
        # Only the last line counts, because a quoted value may look like TensorFlow's own text.
        begin = max(message.rfind("\n"), len(message) - _TAIL, 0)
        found = _APPENDED.search(message, begin)
        if found is None:
            return None
        place = found.group("function"), found.group("node")
        key = place, tuple(feeds), tuple(types)
        if key not in self._known:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()  # a client chooses what is fed
            self._known[key] = self._find(*key)
        return self._known[key]

    def _find(
        self, place: Tuple[str, str], feeds: Collection[str], types: Collection[str]
    ) -> Optional[bool]:
        function, node = place
        if function:
            return self._library().depends(function, node, types)
        try:
            op = self._graph.get_operation_by_name(node)
        except (KeyError, ValueError):
            return None
        if self._has_functions() and self._library().has_node(node):
            return None  # TensorFlow 1 does not tell whether the op or a function's node failed
        return _reaches(op, set(feeds)) and (not types or op.type in types)

    def _has_functions(self) -> bool:
        return bool(getattr(self._graph, "_functions", True))

    def _library(self) -> "_Functions":
        if self._functions is None:
            self._functions = _Functions(self._graph.as_graph_def())
        return self._functions


def _reaches(op: Any, feeds: Set[str]) -> bool:
    """Return whether an op depends on a tensor in `feeds`, by data or by control."""
    pending = [op]
    seen = {op}
    while pending:
        op = pending.pop()
        if any(tensor.name in feeds for tensor in op.inputs):
            return True
        sources = {tensor.op for tensor in op.inputs}.union(op.control_inputs) - seen
        seen |= sources
        pending.extend(sources)
    return False


class _Node(NamedTuple):
    op: str
    inputs: List[str]


class _Functions:
    """The nodes and arguments of a graph's functions."""

    def __init__(self, definition: Any) -> None:
        # Only names are kept: any message would keep the whole definition, and its constants.
        self._nodes: Dict[str, Dict[str, _Node]] = {}
        self._arguments: Dict[str, Dict[str, int]] = {}
        calls: Dict[str, List[str]] = {}
        maybe = [name for each in definition.node if each.op in _CHOOSES for name in _called(each)]
        for function in definition.library.function:
            name = function.signature.name
            self._nodes[name] = {
                node.name: _Node(node.op, list(node.input)) for node in function.node_def
            }
            self._arguments[name] = {each.name: each.type for each in function.signature.input_arg}
            calls[name] = []
            for node in function.node_def:
                (maybe if node.op in _CHOOSES else calls[name]).extend(_called(node))
        self._conditional: Set[str] = set()
        while maybe:
            name = maybe.pop()
            if name not in self._conditional:
                self._conditional.add(name)
                maybe.extend(calls.get(name, ()))

    def has_node(self, node: str) -> bool:
        """Return whether any function has a node of that name."""
        return any(node in nodes for nodes in self._nodes.values())

    def depends(self, function: str, node: str, types: Collection[str]) -> Optional[bool]:
        """
        Return whether a node depends on its function's arguments, or None if that is unknown.

        Arguments that are variables do not count. With `types`, the node must also have one of
        these types.
        """
        nodes = self._nodes.get(function, {})
        if node not in nodes:
            return None
        given = self._reached(function, node)
        if given.difference(_STATES):
            return not types or nodes[node].op in types
        return None if given or function in self._conditional else False

    def _reached(self, function: str, node: str) -> Set[int]:
        """Return the dtypes of the arguments on which a node of a function depends."""
        nodes, arguments = self._nodes[function], self._arguments[function]
        given: Set[int] = set()
        pending = [node]
        seen = {node}
        while pending:
            for each in nodes[pending.pop()].inputs:
                source = each.lstrip("^").split(":")[0]
                if source in arguments:
                    given.add(arguments[source])
                elif source in nodes and source not in seen:
                    seen.add(source)
                    pending.append(source)
        return given


def _called(node: Any) -> List[str]:
    names = [node.op]
    for value in node.attr.values():
        names.append(value.func.name)
        names.extend(each.name for each in value.list.func)
    return [name for name in names if name]
