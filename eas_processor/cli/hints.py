"""What `eascmd serve` prints when it is ready: lines that work when pasted."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable
from pathlib import Path

from eas_processor.service import Token
from eas_processor.tf.model_files import FrozenGraphSummary, SavedModelSummary, read_model
from eas_processor.tf.signatures import TensorSpec, choose_default, dtype_name

_BLANK = {"DT_STRING": "['']", "DT_BOOL": "[False]"}


def ready_lines(
    address: str, name: str, token: Token, model_entry: Path, *, terminal: bool
) -> list[str]:
    """Return what is printed, line by line. The token itself stands in it only for a terminal."""
    url = f"{address}/api/predict/{name}"
    lines = [f"Serving at: {url}"]
    if not token.value:
        lines.append("Token: none, this service is public")
    else:
        lines.append(f"Token: {token.value if terminal else token.path}")
    lines += [f"curl {_authorization(token.path)}{url}", ""]
    return lines + _snippet(address, name, token.path, model_entry)


def _authorization(token_file: Path | None) -> str:
    if token_file is None:
        return ""
    return f'-H "Authorization: $(cat {shlex.quote(str(token_file))})" '


def _snippet(address: str, name: str, token_file: Path | None, model_entry: Path) -> list[str]:
    signature, inputs, outputs = _example(read_model(str(model_entry)))
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
        f"request = TFRequest({signature!r})",
        *(_feed(spec) for spec in inputs),
        *(f"request.add_fetch({spec.name!r})" for spec in outputs),
        "print(client.predict(request))",
    ]


def _example(
    model: SavedModelSummary | FrozenGraphSummary,
) -> tuple[str, Iterable[TensorSpec], Iterable[TensorSpec]]:
    if isinstance(model, FrozenGraphSummary):
        return "", model.placeholders, model.likely_outputs[-1:]
    serve = next((each for each in model.meta_graphs if "serve" in each.tags), model.meta_graphs[0])
    signature = choose_default(serve.signatures, "")
    if signature is None:
        return "", (), ()
    return signature.name, signature.inputs.values(), signature.outputs.values()


def _feed(spec: TensorSpec) -> str:
    shape = [1 if size < 0 else size for size in spec.shape or ()]
    dtype = dtype_name(spec.dtype)
    value = _BLANK.get(dtype, "[0]")
    count = math.prod(shape)
    values = value if count == 1 else f"{value} * {count}"
    return f"request.add_feed({spec.name!r}, {shape}, TFRequest.{dtype}, {values})"
