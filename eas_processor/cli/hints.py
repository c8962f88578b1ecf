"""What `eascmd serve` prints when it is ready: lines that work when pasted."""

from __future__ import annotations

import json
import math
import shlex
from pathlib import Path
from typing import Any

from eas_processor.config import Token
from eas_processor.tf.model.find import find_model, read_frozen_graph
from eas_processor.tf.model.signatures import TensorSpec, dtype_name

_BLANK = {"DT_STRING": "['']", "DT_BOOL": "[False]"}
_NOT_ON_THE_WIRE = ("DT_UINT32", "DT_UINT64", "DT_RESOURCE", "DT_VARIANT")
# To parse one takes three times its size in memory, for a hint.
_LARGE_GRAPH = 32 * 1024 * 1024


def frozen_graph_signature(model_entry: Path) -> str:
    """
    Return what a frozen graph takes, and its last likely output, in the form of a signature.

    It is empty when the graph is too large to be worth it.
    """
    path = find_model(str(model_entry))
    if Path(path).stat().st_size > _LARGE_GRAPH:
        return ""
    model = read_frozen_graph(path)
    tensors = {"inputs": model.placeholders, "outputs": model.likely_outputs[-1:]}
    return json.dumps(
        {"signature_name": ""}
        | {role: [_tensor(s) for s in specs] for role, specs in tensors.items()}
    )


def ready_lines(
    address: str, name: str, token: Token, signature: str, *, terminal: bool
) -> list[str]:
    """
    Return what is printed, line by line; the token itself stands in it only for a terminal.

    `signature` is the JSON that answers an empty request; without one there is no example.
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
