"""`eascmd inspect`: print the inputs and outputs of a model, without running it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eas_processor.cli.tables import print_table
from eas_processor.errors import ModelFetchError
from eas_processor.home import have_temporary_directory
from eas_processor.model_store.unpack import is_archive, unpack
from eas_processor.tf.errors import ModelError
from eas_processor.tf.model.find import (
    FrozenGraphSummary,
    MetaGraph,
    SavedModelSummary,
    Summary,
    read_model,
)
from eas_processor.tf.model.signatures import (
    Shape,
    Signature,
    TensorSpec,
    dtype_name,
    public_names,
)


def inspect(path: Path, *, as_json: bool) -> None:
    """Print the signatures of a model, or a frozen graph's placeholders and likely outputs."""
    facts = facts_of(path)
    if as_json:
        print(json.dumps(facts, indent=2))
    else:
        _print_table(facts)


def facts_of(path: Path) -> dict[str, Any]:
    """Return the facts that `eascmd inspect --json` prints. Raises ModelFetchError."""
    return _facts(path, read(path))


def read(path: Path) -> Summary:
    """Return the facts in the files of a model or in an archive of them. Raises ModelFetchError."""
    if not path.exists():
        raise ModelFetchError(f"{path} does not exist")
    try:
        if path.is_file() and is_archive(path):
            have_temporary_directory()
            with tempfile.TemporaryDirectory(prefix="eas-inspect-") as scratch:
                unpack(path, Path(scratch) / "model")
                return read_model(str(Path(scratch) / "model"))
        return read_model(str(path))
    except ModelError as error:
        raise ModelFetchError(str(error)) from error
    except OSError as error:
        raise ModelFetchError(f"{error.filename or path}: {error.strerror or error}") from error


def _facts(path: Path, model: Summary) -> dict[str, Any]:
    if isinstance(model, FrozenGraphSummary):
        return {
            "path": str(path),
            "kind": "frozen graph",
            "placeholders": [_tensor(spec) for spec in model.placeholders],
            "likely_outputs": [_tensor(spec) for spec in model.likely_outputs],
        }
    if not isinstance(model, SavedModelSummary):
        return {
            "path": str(path),
            "kind": "TensorFlow Lite model",
            "signatures": [_signature(each, ()) for each in model.signatures.values()],
        }
    return {
        "path": str(path),
        "kind": "SavedModel",
        "tensorflow_version": model.meta_graphs[0].tensorflow_version,
        "signatures": [
            _signature(graph.signatures[name], graph.tags)
            for graph in model.meta_graphs
            for name in public_names(graph.signatures)
        ],
        **_without_signatures(model.meta_graphs[0]),
    }


def _signature(signature: Signature, tags: Sequence[str]) -> dict[str, Any]:
    return {
        "signature_name": signature.name,
        "method_name": signature.method_name,
        "tags": list(tags),
        "inputs": [_tensor(spec) for spec in signature.inputs.values()],
        "outputs": [_tensor(spec) for spec in signature.outputs.values()],
    }


def _without_signatures(graph: MetaGraph) -> dict[str, Any]:
    """Return the description of a model that is called by tensor names."""
    if not graph.placeholders:
        return {}
    return {
        "placeholders": [_tensor(spec) for spec in graph.placeholders],
        "likely_outputs": [_tensor(spec) for spec in graph.likely_outputs],
    }


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "shape": None if spec.shape is None else list(spec.shape),
        "type": dtype_name(spec.dtype) if spec.dtype else None,
        "tensor_name": spec.tensor_name or " ".join(spec.parts),
    }


def _print_table(facts: dict[str, Any]) -> None:
    if "signatures" in facts:
        print(f"{facts['kind']} {facts['path']}{_written_by(facts)}")
        for signature in facts["signatures"]:
            method = signature["method_name"] or "no method"
            print(f"\nsignature {signature['signature_name']} ({method}{_tags(facts, signature)})")
            _print_tensors({"input": signature["inputs"], "output": signature["outputs"]})
        if "placeholders" in facts:
            print("\nno signatures: it is called by the names of its tensors")
    else:
        print(f"frozen graph {facts['path']}\n")
    if "placeholders" in facts:
        _print_tensors(
            {"placeholder": facts["placeholders"], "likely output": facts["likely_outputs"]}
        )


def _written_by(facts: dict[str, Any]) -> str:
    if facts["kind"] != "SavedModel":
        return ""
    return f", written by TensorFlow {facts['tensorflow_version'] or 'an unknown version'}"


def _tags(facts: dict[str, Any], signature: dict[str, Any]) -> str:
    if facts["kind"] != "SavedModel":
        return ""
    return f"; tags: {', '.join(signature['tags']) or 'none'}"


def _print_tensors(groups: dict[str, list[dict[str, Any]]]) -> None:
    rows = (
        (
            kind,
            tensor["name"],
            tensor["type"] or "?",
            _shown(tensor["shape"]) if tensor["type"] else "?",
            tensor["tensor_name"],
        )
        for kind, tensors in groups.items()
        for tensor in tensors
    )
    print_table(("", "name", "dtype", "shape", "tensor"), rows)


def _shown(shape: Shape) -> str:
    return "any" if shape is None else str(list(shape))
