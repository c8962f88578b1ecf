"""Follow rows through a graph and its functions, from the feeds to the fetches."""

import threading
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from eas_processor.tf.rows.loops import Slots, once_for_each_row
from eas_processor.tf.rows.plain import INTEGERS
from eas_processor.tf.rows.rules import apply
from eas_processor.tf.rows.values import ROW, Plain, Shape, Value, fixed, join, number
from eas_processor.tf.runtime import tf

# The most numbers in a constant that can be a shape or a list of axes.
_MAX_INTS = 64

# The most nodes that are followed, which take 0.5 s. Larger graphs are not followed.
_MAX_NODES = 50000
_MAX_DEPTH = 60

_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_CHOICES = ("If", "StatelessIf")
_LOOPS = ("While", "StatelessWhile")

# Ops that TensorFlow calls stateful, although they only read a variable or a table.
_READS = ("ResourceGather", "LookupTableFind", "LookupTableFindV2")

# The ops of variables themselves, before they are read.
_STATES = ("VarHandleOp", "Variable", "VariableV2")


class TooLarge(Exception):
    """The graph has more nodes than are followed."""


class Port(NamedTuple):
    """One output of a node: by number in a graph, or by name and number in a function."""

    node: str
    name: str
    number: int


class _Node:
    """A node of a graph or function; its attributes are read on demand."""

    __slots__ = ("_attrs", "_op", "inputs", "type", "waits")

    def __init__(
        self, kind: str, inputs: List[Port], waits: bool, attrs: Any = None, op: Any = None
    ) -> None:
        self.type = kind
        self.inputs = inputs
        self.waits = waits
        self._attrs = attrs
        self._op = op

    def attr(self, name: str, default: Any = None) -> Any:
        """Return an attribute: a text as bytes, a dtype as number, a function as name."""
        if self._attrs is None:
            self._attrs = self._op.node_def.attr
        return _plain_attr(self._attrs[name], default) if name in self._attrs else default

    def shape(self) -> Optional[Shape]:
        """Return the shape that TensorFlow has inferred for the only output."""
        if self._op is None or len(self._op.outputs) != 1:
            return None
        return _shape_of(self._op.outputs[0].shape)

    def constant(self) -> Plain:
        """Return the value of this node, which is a constant."""
        if self._op is not None:
            # Reading the attributes of a large constant would copy it.
            known = self._op.outputs[0].shape
            small = (known.num_elements() or 0) <= _MAX_INTS
            if not small or self._op.outputs[0].dtype.as_datatype_enum not in INTEGERS:
                return Plain(_shape_of(known))
        tensor = self.attr("value")
        shape = tuple(number(dim.size) for dim in tensor.tensor_shape.dim)
        count = 1
        for dim in tensor.tensor_shape.dim:
            count *= dim.size
        if tensor.dtype not in INTEGERS or count > _MAX_INTS:
            return Plain(shape)
        return Plain(shape, tuple(number(int(each)) for each in tf.make_ndarray(tensor).ravel()))


def _shape_of(shape: Any) -> Optional[Shape]:
    if shape.ndims is None:
        return None
    return tuple(None if size is None else number(size) for size in shape.as_list())


def _plain_attr(value: Any, default: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return default
    if kind == "func":
        return value.func.name
    if kind == "list":
        return next((list(each) for _, each in value.list.ListFields()), [])
    return getattr(value, kind)


class _Graph:
    """The nodes of a graph by name."""

    def __init__(self, graph: Any) -> None:
        self._graph = graph

    def node(self, name: str) -> _Node:
        op = self._graph.get_operation_by_name(name)
        inputs = [Port(tensor.op.name, "", tensor.value_index) for tensor in op.inputs]
        return _Node(op.type, inputs, bool(op.control_inputs), op=op)


class _Function:
    """The nodes of a function by name, and the names of its arguments and results."""

    def __init__(self, definition: Any) -> None:
        self._nodes = {node.name: node for node in definition.node_def}
        self.arguments = [each.name for each in definition.signature.input_arg]
        self.results = [
            _port(definition.ret[each.name]) for each in definition.signature.output_arg
        ]

    def node(self, name: str) -> _Node:
        node = self._nodes[name]
        inputs = [_port(each) for each in node.input if not each.startswith("^")]
        return _Node(node.op, inputs, len(inputs) < len(node.input), attrs=node.attr)

    def handed_on(self) -> List[bool]:
        """Return for each result whether it is the unchanged argument at the same place."""
        return [
            self._source(result) == Port(name, "", 0)
            for name, result in zip(self.arguments, self.results)
        ]

    def _source(self, port: Port) -> Port:
        while port.node in self._nodes and self._nodes[port.node].op == "Identity":
            port = _port(self._nodes[port.node].input[0])
        return port


def _port(text: str) -> Port:
    name, _, rest = text.partition(":")
    output, _, index = rest.partition(":")
    return Port(name, output, int(index or 0))


class Follower:
    """Follows rows through the graph of one model. Safe to use from several threads."""

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._functions: Optional[Dict[str, Any]] = None
        self._looked_at = 0
        self._in_round = False
        self._lock = threading.Lock()

    def values(self, feeds: Dict[str, Value], fetches: Sequence[str]) -> List[Value]:
        """
        Return what is known of the tensors `fetches`, from what is known of `feeds`.

        Both are by tensor name. Raises TooLarge.
        """
        with self._lock:
            return self._values(feeds, fetches)

    def _values(self, feeds: Dict[str, Value], fetches: Sequence[str]) -> List[Value]:
        self._looked_at = 0
        tensors = {name: self._graph.get_tensor_by_name(name) for name in [*feeds, *fetches]}
        ports = {name: Port(each.op.name, "", each.value_index) for name, each in tensors.items()}
        given = {ports[name]: value for name, value in feeds.items()}
        return self._follow(_Graph(self._graph), given, [ports[name] for name in fetches], 0)

    def _follow(
        self, scope: Any, given: Dict[Port, Value], wanted: Sequence[Port], depth: int
    ) -> List[Value]:
        """Return what is known of the `wanted` ports of a graph or function, from `given` ones."""
        results: Dict[str, Value] = {}
        nodes: Dict[str, _Node] = {}
        stack = [port.node for port in wanted if port not in given]
        while stack:
            name = stack[-1]
            if name in results:
                stack.pop()
                continue
            node = nodes.get(name)
            if node is None:
                node = nodes[name] = self._look_at(scope, name)
                missing = [
                    port.node
                    for port in node.inputs
                    if port not in given and port.node not in results
                ]
                # An input that is still being followed is part of a cycle, so of a loop.
                if any(each in nodes for each in missing):
                    results[name] = None
                    continue
                stack.extend(missing)
                if missing:
                    continue
            ins = [_at(given, results, port) for port in node.inputs]
            results[name] = self._output(node, ins, depth)
            stack.pop()
        return [_at(given, results, port) for port in wanted]

    def _look_at(self, scope: Any, name: str) -> _Node:
        self._looked_at += 1
        if self._looked_at > _MAX_NODES:
            raise TooLarge
        node: _Node = scope.node(name)
        return node

    def _output(self, node: _Node, ins: List[Value], depth: int) -> Value:
        if node.type == "Const":
            return node.constant()
        if node.type == "Placeholder":
            return None
        if not node.inputs:
            return Plain(_declared(node) if node.type in _STATES else None, state=True)
        if node.waits and any(isinstance(each, Plain) and each.state for each in ins):
            # The same run may have changed the variable or table before it is read.
            return None
        if self._is_of_row(node, ins):
            return ROW
        if node.type in _CALLS:
            return self._call(node.attr("f", ""), ins, depth)
        if node.type in _CHOICES:
            return self._choose(node, ins, depth)
        if node.type in _LOOPS:
            return self._loop(node, ins, depth)
        if node.type == "IdentityN":
            return list(ins)
        return apply(node, ins)

    def _is_of_row(self, node: _Node, ins: Sequence[Value]) -> bool:
        """Return whether the output of an op is made of one row, as its inputs are, in a loop."""
        if ROW not in ins or not all(each is ROW or fixed(each) for each in ins):
            return False
        return node.type not in _CALLS and (node.type in _READS or self._is_pure(node.type))

    def _is_pure(self, kind: str) -> bool:
        if kind in self._known_functions():
            return False
        find = getattr(self._graph, "_get_op_def", None) or self._graph.op_def_for_type
        return not find(kind).is_stateful

    def _call(self, name: str, ins: Sequence[Value], depth: int) -> Optional[List[Value]]:
        definition = self._known_functions().get(name)
        if definition is None or depth > _MAX_DEPTH:
            return None
        function = _Function(definition)
        if len(function.arguments) != len(ins):
            return None
        given = {Port(name, "", 0): value for name, value in zip(function.arguments, ins)}
        return self._follow(function, given, function.results, depth + 1)

    def _choose(self, node: _Node, ins: List[Value], depth: int) -> Optional[List[Value]]:
        if not fixed(ins[0]):
            return None
        branches = [
            self._call(node.attr(f"{side}_branch", ""), ins[1:], depth) for side in ("then", "else")
        ]
        if branches[0] is None or branches[1] is None:
            return None
        return [join(one, other) for one, other in zip(*branches)]

    def _loop(self, node: _Node, ins: List[Value], depth: int) -> Optional[List[Value]]:
        """Follow the body until what is known of the loop's variables holds for all rounds."""
        if any(isinstance(each, Slots) for each in ins):
            return self._loop_by_row(node, ins, depth)
        values = list(ins)
        for _ in range(len(ins) + 3):
            after = self._call(node.attr("body", ""), values, depth)
            if after is None:
                return None
            joined = [join(one, other) for one, other in zip(values, after)]
            if joined == values:
                (condition,) = self._call(node.attr("cond", ""), values, depth) or (None,)
                # The number of rounds must not depend on the rows.
                return values if fixed(condition) else None
            values = joined
        return None

    def _loop_by_row(self, node: _Node, ins: List[Value], depth: int) -> Optional[List[Value]]:
        definition = self._known_functions().get(node.attr("body", ""))
        # `ROW` does not tell the rows of nested loops apart, so an inner loop is not followed.
        if definition is None or self._in_round:
            return None
        self._in_round = True
        try:
            return once_for_each_row(
                ins,
                _Function(definition).handed_on(),
                lambda values: self._call(node.attr("cond", ""), values, depth),
                lambda values: self._call(node.attr("body", ""), values, depth),
            )
        finally:
            self._in_round = False

    def _known_functions(self) -> Dict[str, Any]:
        if self._functions is None:
            library = self._graph.as_graph_def().library
            self._functions = {each.signature.name: each for each in library.function}
        return self._functions


def _at(given: Dict[Port, Value], results: Dict[str, Value], port: Port) -> Value:
    if port in given:
        return given[port]
    value = results[port.node]
    if isinstance(value, dict):
        return value.get((port.name, port.number) if port.name else port.number)
    if type(value) is list:
        return value[port.number] if port.number < len(value) else None
    return value


def _declared(node: _Node) -> Optional[Shape]:
    shape = node.attr("shape")
    if shape is None or shape.unknown_rank:
        return None
    return tuple(None if dim.size < 0 else number(dim.size) for dim in shape.dim)
