"""`eascmd inspect --dir DIR`: a SavedModel as TensorFlow's `saved_model_cli show` prints it."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from eas_processor.cli.inspect import read
from eas_processor.errors import CallError
from eas_processor.tf.model.find import FrozenGraphSummary, MetaGraph


def show(arguments: Namespace) -> None:
    """Print tag-sets, signature keys, a signature or all of it, as the options ask."""
    graphs = graphs_of(arguments.dir)
    if arguments.all:
        _print_all(graphs)
    elif arguments.tag_set is None:
        if arguments.signature_def is not None:
            raise CallError("--signature_def needs --tag_set, such as --tag_set serve")
        print("The given SavedModel contains the following tag-sets:")
        for tags in sorted(sorted(graph.tags) for graph in graphs):
            print(repr(", ".join(tags)))
    else:
        graph = graph_of(graphs, arguments.tag_set)
        if arguments.signature_def is None:
            print(
                "The given SavedModel MetaGraphDef contains SignatureDefs with the following keys:"
            )
            for key in sorted(graph.metadata):
                print(f'SignatureDef key: "{key}"')
        else:
            _print_signature(signature_of(graph, arguments.signature_def), "")


def graphs_of(directory: Path) -> list[MetaGraph]:
    """Return the graphs of the SavedModel that `directory` means; raises EasError."""
    model = read(directory)
    if isinstance(model, FrozenGraphSummary):
        raise CallError(
            f"--dir {directory}: expected a SavedModel, and this is a frozen graph; "
            f"`eascmd inspect {directory}` shows it"
        )
    return model.meta_graphs


def graph_of(graphs: list[MetaGraph], tag_set: str) -> MetaGraph:
    """Return the graph with these tags, separated by commas; raises CallError."""
    tags = {tag.strip() for tag in tag_set.split(",")} - {""}
    for graph in graphs:
        if set(graph.tags) == tags:
            return graph
    known = " and ".join(repr(",".join(graph.tags)) for graph in graphs)
    raise CallError(f"--tag_set: the model has no graph with the tags {tag_set!r}; it has {known}")


def signature_of(graph: MetaGraph, key: str) -> dict[str, Any]:
    """Return the signature `key` as `/metadata` shows it; raises CallError."""
    if key in graph.metadata:
        found: dict[str, Any] = graph.metadata[key]
        return found
    known = ", ".join(sorted(graph.metadata)) or "none"
    raise CallError(f"--signature_def: there is no signature {key!r}; the graph has {known}")


def _print_all(graphs: list[MetaGraph]) -> None:
    for graph in sorted(graphs, key=lambda graph: graph.tags):
        tags = ", ".join(graph.tags)
        print(f"\nMetaGraphDef with tag-set: '{tags}' contains the following SignatureDefs:")
        for key in sorted(graph.metadata):
            print(f"\nsignature_def['{key}']:")
            _print_signature(graph.metadata[key], "  ")


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
