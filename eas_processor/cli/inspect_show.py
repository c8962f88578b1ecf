"""`eascmd inspect --dir DIR`: a SavedModel as TensorFlow's `saved_model_cli show` prints it."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from eas_processor.cli.graph_details import Shown, functions_of, ops_of, read_details
from eas_processor.cli.inspect import read
from eas_processor.errors import CallError
from eas_processor.tf.model.find import FrozenGraphSummary, MetaGraph, SavedModelSummary


def show(arguments: Namespace) -> None:
    """Print the tag-sets, signature keys, one signature or everything, as the options say."""
    graphs = graphs_of(arguments.dir)
    if arguments.all:
        _print_all(graphs, arguments.dir)
    elif arguments.tag_set is None:
        if arguments.signature_def is not None:
            raise CallError("--signature_def needs --tag_set, such as --tag_set serve")
        if arguments.list_ops:
            raise CallError("--list_ops needs --tag_set, such as --tag_set serve, or --all")
        print("The given SavedModel contains the following tag-sets:")
        for tags in sorted(sorted(graph.tags) for graph in graphs):
            print(repr(", ".join(tags)))
    else:
        graph = graph_of(graphs, arguments.tag_set)
        if arguments.list_ops:
            _print_ops(_details(arguments.dir)[graphs.index(graph)])
        if arguments.signature_def is None:
            print(
                "The given SavedModel MetaGraphDef contains SignatureDefs with the following keys:"
            )
            for key in sorted(graph.metadata):
                print(f'SignatureDef key: "{key}"')
        else:
            _print_signature(signature_of(graph, arguments.signature_def), "")


def graphs_of(directory: Path) -> list[MetaGraph]:
    """Return the graphs of the SavedModel that is found in `directory`. Raises EasError."""
    if directory.is_file():
        raise CallError(
            f"--dir {directory}: expected the directory of a SavedModel, and this is a file; "
            f"`eascmd inspect {directory}` shows it"
        )
    model = read(directory)
    if not isinstance(model, SavedModelSummary):
        kind = "frozen graph" if isinstance(model, FrozenGraphSummary) else "TensorFlow Lite model"
        raise CallError(
            f"--dir {directory}: expected a SavedModel, and this is a {kind}; "
            f"`eascmd inspect {directory}` shows it"
        )
    return model.meta_graphs


def graph_of(graphs: list[MetaGraph], tag_set: str) -> MetaGraph:
    """Return the graph with these comma-separated tags. Raises CallError."""
    tags = {tag.strip() for tag in tag_set.split(",")} - {""}
    for graph in graphs:
        if set(graph.tags) == tags:
            return graph
    known = " and ".join(repr(",".join(graph.tags)) for graph in graphs)
    raise CallError(f"--tag_set: the model has no graph with the tags {tag_set!r}; it has {known}")


def signature_of(graph: MetaGraph, key: str) -> dict[str, Any]:
    """Return the signature `key` as `/metadata` shows it. Raises CallError."""
    if key in graph.metadata:
        found: dict[str, Any] = graph.metadata[key]
        return found
    known = ", ".join(sorted(graph.metadata)) or "none"
    raise CallError(f"--signature_def: there is no signature {key!r}; the graph has {known}")


def _details(directory: Path) -> list[Any]:
    return read_details(Path(read(directory).path))


def _print_all(graphs: list[MetaGraph], directory: Path) -> None:
    details = _details(directory)
    for graph, detail in sorted(zip(graphs, details, strict=True), key=lambda both: both[0].tags):
        tags = ", ".join(graph.tags)
        print(f"\nMetaGraphDef with tag-set: '{tags}' contains the following SignatureDefs:")
        for key in sorted(graph.metadata):
            print(f"\nsignature_def['{key}']:")
            _print_signature(graph.metadata[key], "  ")
        _print_ops(detail)
    for detail in details:
        if detail.HasField("object_graph_def"):
            _print_functions(detail)
            break


def _print_ops(detail: Any) -> None:
    tags, ops = list(detail.meta_info_def.tags), ", ".join(map(repr, ops_of(detail)))
    print(f"The MetaGraph with tag set {tags} contains the following ops: {{{ops}}}")


def _print_functions(detail: Any) -> None:
    print("\nConcrete Functions:", end="")
    for name, options in functions_of(detail):
        print(f"\n  Function Name: '{name}'")
        for number, option in enumerate(options, 1):
            if option.arguments:
                print(f"    Option #{number}\n      Callable with:")
            for position, value in enumerate(option.arguments, 1):
                print(f"        Argument #{position}")
                _print_argument(value)
            for position, key in enumerate(option.names, 1):
                print(f"        Named Argument #{position}\n          {key}")


def _print_argument(value: Any) -> None:
    indent = " " * 10
    if isinstance(value, Shown) and value.name is not None:
        print(f"{indent}{value.name}: {value}")
    elif isinstance(value, str):
        print(f"{indent}{value}")
    else:
        kind = value.kind if isinstance(value, Shown) else type(value).__name__
        print(f"{indent}DType: {kind}\n{indent}Value: {_listed(value)}")


def _listed(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(repr, value))}]"
    return str(value)


def _print_signature(signature: dict[str, Any], indent: str) -> None:
    for role in ("input", "output"):
        print(f"{indent}The given SavedModel SignatureDef contains the following {role}(s):")
        for key, tensor in signature[f"{role}s"].items():
            print(f"{indent}  {role}s['{key}'] tensor_info:")
            print(f"{indent}      dtype: {tensor['dtype']}")
            print(f"{indent}      shape: {_shape(tensor.get('tensor_shape'))}")
            print(f"{indent}      name: {tensor.get('name', '')}")
    print(f"{indent}Method name is: {signature['method_name']}")


def _shape(shape: dict[str, Any] | None) -> str:
    if shape is None:
        return "()"
    if shape["unknown_rank"]:
        return "unknown_rank"
    return f"({', '.join(each['size'] for each in shape['dim'])})"
