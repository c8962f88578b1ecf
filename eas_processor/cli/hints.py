"""The lines that `eascmd serve` prints when it is ready. They work when they are pasted."""

from __future__ import annotations

import contextlib
import json
import math
import shlex
from pathlib import Path
from typing import Any

from eas_processor.config import Token
from eas_processor.tf.model.find import read_frozen_graph, read_saved_model
from eas_processor.tf.model.signatures import TensorSpec, dtype_name

_BLANK = {"DT_STRING": "['']", "DT_BOOL": "[False]"}
_NOT_ON_THE_WIRE = ("DT_UINT32", "DT_UINT64", "DT_RESOURCE", "DT_VARIANT")
# Parsing a graph takes three times its size in memory, which is too much for a hint.
_LARGE_GRAPH = 32 * 1024 * 1024


def frozen_graph_signature(model_entry: Path) -> str:
    """
    Return the inputs of a model without signatures, and its last likely output, as a signature.

    Such a model is a frozen graph, or a SavedModel that is served by tensor names. The signature is
    empty if the graph is too large to parse for a hint, or can no longer be read.
    """
    with contextlib.suppress(OSError):
        is_saved_model = model_entry.is_dir()
        graph = model_entry / "saved_model.pb" if is_saved_model else model_entry
        if graph.stat().st_size > _LARGE_GRAPH:
            return ""
        if not is_saved_model:
            frozen = read_frozen_graph(str(graph))
            return _as_signature(frozen.placeholders, frozen.likely_outputs)
        # If there are several, only the worker knows which one it chose.
        model, *others = read_saved_model(str(model_entry)).meta_graphs
        if model.placeholders and not others:
            return _as_signature(model.placeholders, model.likely_outputs)
    return ""


def _as_signature(placeholders: list[TensorSpec], likely_outputs: list[TensorSpec]) -> str:
    tensors = {"inputs": placeholders, "outputs": likely_outputs[-1:]}
    return json.dumps(
        {"signature_name": ""}
        | {role: [_tensor(s) for s in specs] for role, specs in tensors.items()}
    )


def ready_lines(
    address: str, name: str, token: Token, signature: str, *, terminal: bool
) -> list[str]:
    """
    Return the lines to print. They contain the token itself only for a terminal.

    `signature` is the JSON that the service answers to an empty request. Without a signature there
    is no example.
    """
    url = f"{address}/api/predict/{name}"
    lines = [f"Serving at: {url}"]
    if not token.value:
        lines.append("Token: none, this service is public")
    else:
        lines.append(f"Token: {token.value if terminal else token.path}")
    lines.append(f"curl {_authorization(token.path)}{url}")
    if signature:
        lines += ["", *_snippet(address, name, token.path, json.loads(signature))]
    return lines


def _authorization(token_file: Path | None) -> str:
    if token_file is None:
        return ""
    return f'-H "Authorization: $(cat {shlex.quote(str(token_file))})" '


def _snippet(
    address: str, name: str, token_file: Path | None, signature: dict[str, Any]
) -> list[str]:
    token = (
        []
        if token_file is None
        else [f"client.set_token(open({str(token_file)!r}).read().strip())"]
    )
    return [
        "from eas_prediction import PredictClient, TFRequest",
        f"client = PredictClient({address!r}, {name!r})",
        *token,
        "client.init()",
        f"request = TFRequest({signature['signature_name']!r})",
        *(_feed(tensor) for tensor in signature["inputs"]),
        *(
            f"request.add_fetch({each['name']!r})"
            for each in signature["outputs"]
            if each["type"] not in _NOT_ON_THE_WIRE
        ),
        "print(client.predict(request))",
    ]


def _feed(tensor: dict[str, Any]) -> str:
    shape = [1 if size < 0 else size for size in tensor["shape"] or ()]
    value = _BLANK.get(tensor["type"], "[0]")
    count = math.prod(shape)
    values = value if count == 1 else f"{value} * {count}"
    return f"request.add_feed({tensor['name']!r}, {shape}, TFRequest.{tensor['type']}, {values})"


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    dtype = dtype_name(spec.dtype) if spec.dtype else None
    return {"name": spec.name, "shape": spec.shape, "type": dtype}
