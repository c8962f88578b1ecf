"""
Whose fault an error of a run is: the request's, or the model's, which fails so with any input.

TensorFlow's class of an error says what is wrong, not whose fault it is: a constant that cannot be
parsed is an InvalidArgument too. So the graph is asked whether the op that failed depends on what
the request fed. An op that does not would fail with any other request.
"""

import re
from typing import Any, Collection, Dict, List, NamedTuple, Optional, Set, Tuple

from eas_processor.tf.runtime import tf

_errors = tf.errors

# The values of a request lead to these, unless the graph shows otherwise.
_OF_VALUES = (_errors.InvalidArgumentError, _errors.OutOfRangeError)

# These are about files and state, but decompressing or parsing a request's bytes raises the first,
# and opening a file that the request names the others. An op shows it, if it can be found.
_OF_DATA = (_errors.DataLossError,)
_OF_FILES = (
    _errors.NotFoundError,
    _errors.PermissionDeniedError,
    _errors.FailedPreconditionError,
    _errors.UnimplementedError,
)
_READS_FILES = ("ReadFile", "MatchingFiles")

# More dimensions than a kernel has been written for, in words of several versions.
_OF_SHAPES = (_errors.UnimplementedError, _errors.AbortedError)
_SHAPES = re.compile(r"Broadcast between|\b(dim|dimension|rank)s?\b", re.IGNORECASE)

# InvalidArgument, and the model's whatever op it comes from. A sentence begins so: further on it
# can quote a value of the request.
_OF_MODELS = re.compile(
    r"(\w+: )?(callback \S{1,99} is not found|Could not find callback|No OpKernel was registered"
    r"|Cannot assign a device|Op type not registered|[Ff]unction \S{1,200} is not defined"
    r"|No registered '|[\w ]{0,99} only supports? (the )?NHWC|Detected unsupported operations"
    r"|End of sequence)"
)

# What TensorFlow appends: the op that failed, and before it, from 2.0 on, its function.
_APPENDED = re.compile(
    r"\[\[(?:\{\{function_node (?P<function>[^{}]+)\}\}\s*)?\{\{node (?P<node>[^{}]+)\}\}"
    r"[^\n]*\]\]\s*$"
)
_TAIL = 2000

_MAX_KNOWN = 1000

# Functions that an op runs or not, or several times, as its inputs say.
_CHOOSES = ("If", "StatelessIf", "Case", "StatelessCase", "While", "StatelessWhile")

# DT_RESOURCE and DT_VARIANT: the types of arguments that are variables, tables and iterators.
_STATES = (20, 21)


class Faults:
    """Tells whose fault errors are, for one graph. Safe to use from several threads."""

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._functions: Optional[_Functions] = None
        self._known: Dict[Any, Optional[bool]] = {}

    def is_requests(self, error: Any, message: str, feeds: Collection[str]) -> bool:
        """
        Tell whether an OpError of a run, with what it says, is the fault of what was fed.

        `feeds` are the names of the tensors fed.
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
        Tell whether the op that failed depends on what was fed; None where that is unknown.

        With `types`, also whether it is of one of them.
        """
        # A value that the message quotes can look like what follows it: the last line counts.
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
            return None  # TensorFlow 1 does not say which of them failed
        return _reaches(op, set(feeds)) and (not types or op.type in types)

    def _has_functions(self) -> bool:
        return bool(getattr(self._graph, "_functions", True))

    def _library(self) -> "_Functions":
        if self._functions is None:
            self._functions = _Functions(self._graph.as_graph_def())
        return self._functions


def _reaches(op: Any, feeds: Set[str]) -> bool:
    """Tell whether an op depends on a tensor that is fed, waiting for it included."""
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
    """The functions of a graph, as far as errors need them."""

    def __init__(self, definition: Any) -> None:
        # No message of the definition: one would keep all of it, with the graph's constants.
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
        """Tell whether a function has a node of that name."""
        return any(node in nodes for nodes in self._nodes.values())

    def depends(self, function: str, node: str, types: Collection[str]) -> Optional[bool]:
        """
        Tell whether a node depends on what its function is given; None where that is unknown.

        A variable says nothing of the request. With `types`, also whether the node is of one.
        """
        nodes = self._nodes.get(function, {})
        if node not in nodes:
            return None
        given = self._reached(function, node)
        if given.difference(_STATES):
            return not types or nodes[node].op in types
        return None if given or function in self._conditional else False

    def _reached(self, function: str, node: str) -> Set[int]:
        """Return the types of the arguments that a node of a function depends on."""
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
