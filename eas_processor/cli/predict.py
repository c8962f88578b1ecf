"""`eascmd predict`, `signature` and `warmup-file`: call a service from the command line."""

from __future__ import annotations

import base64
import contextlib
import json
import os
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from eas_prediction import PredictClient, PredictException, Signature
from eas_processor.cli.values import as_json, read_inputs, write_outputs
from eas_processor.errors import CallError

_PATH = "/api/predict/"
_GRPC = ("grpc://", "grpcs://")
_TOKEN = "; give the service's token with --token or EAS_TOKEN"
_HINTS: dict[str | int, str] = {
    401: _TOKEN,
    "UNAUTHENTICATED": _TOKEN,
    404: "; the path is /api/predict/SERVICE",
}


def predict(arguments: Namespace) -> None:
    """Send the inputs to the service at a URL, and write or print the outputs."""
    if arguments.url.startswith(_GRPC):
        from eas_processor.cli import predict_grpc

        predict_grpc.predict(arguments)
        return
    _refuse_signature(arguments)
    with _client(arguments) as client, errors():
        signature = client.signature()
        outputs = client.predict(
            inputs(arguments, signature), outputs=arguments.fetch, max_rows=arguments.max_rows
        )
    give(arguments, outputs)


def show_signature(arguments: Namespace) -> None:
    """Print the signature of the service at a URL."""
    if arguments.url.startswith(_GRPC):
        from eas_processor.cli import predict_grpc

        predict_grpc.show_signature(arguments)
        return
    _refuse_signature(arguments)
    with _client(arguments) as client, errors():
        signature = client.signature()
    show(arguments, signature)


def show(arguments: Namespace, signature: Signature) -> None:
    """Print a signature as the options say."""
    print(json.dumps(_facts(signature), indent=2) if arguments.json else signature)


def warmup_file(arguments: Namespace) -> None:
    """Write the inputs as a request, for `warm_up_data_path` or as a TFRecord."""
    if "://" in arguments.source:
        with _client(arguments, arguments.source) as client, errors():
            signature = client.signature()
    else:
        from eas_processor.cli.signature_of_file import signature_of_file

        signature = signature_of_file(Path(arguments.source))
    with errors():
        arrays = inputs(arguments, signature)
        request = signature.request(signature.tensors(arrays), arguments.fetch)
    body = request.to_string()
    path = Path(arguments.output)
    try:
        if arguments.tfrecord:
            from eas_processor.cli.warmup_records import add_record

            body = add_record(path, body)
        else:
            # In a .txt file, each line is a request in base64.
            path.write_bytes(base64.b64encode(body) + b"\n" if path.suffix == ".txt" else body)
    except OSError as error:
        raise CallError(f"{path}: {error.strerror or error}") from error
    facts = {"path": str(path), "bytes": len(body), "signature_name": signature.name}
    print(json.dumps(facts) if arguments.json else f"{path}: a request of {len(body):,} bytes")


def _client(arguments: Namespace, url: str = "") -> PredictClient:
    url = url or arguments.url
    options: dict[str, Any] = {"token": token_of(arguments), "timeout": arguments.timeout * 1000}
    address, found, name = url.rstrip("/").partition(_PATH)
    if found and name:
        return PredictClient(address, name, **options)
    return PredictClient(custom_url=url, **options)


def token_of(arguments: Namespace) -> str:
    """Return the token from the options or from the environment."""
    given: str | None = arguments.token
    return os.environ.get("EAS_TOKEN", "") if given is None else given


def _refuse_signature(arguments: Namespace) -> None:
    if arguments.signature:
        raise CallError(
            "--signature: only a grpc:// address has signatures to choose from; that of a service "
            "is signature_name of its model_config"
        )


@contextlib.contextmanager
def errors() -> Iterator[None]:
    """Turn errors of the SDK into CallError, with advice."""
    try:
        yield
    except PredictException as error:
        status = error.grpc_status or error.status
        hint = _HINTS.get(status or 0, "")
        said = error.message if status is None else f"{status}: {error.message}"
        if status == 400 and "signature" in error.message:
            hint = "; a frozen graph has no signature: call it with TFRequest"
        raise CallError(f"{said}{hint}") from error


def inputs(arguments: Namespace, signature: Signature | None) -> dict[str, Any]:
    """Return the arrays of `--input`, by name. Raises CallError."""
    specs = {} if signature is None else signature.inputs
    shapes = {name: spec.shape for name, spec in specs.items()}
    strings = [name for name, spec in specs.items() if spec.dtype == "DT_STRING"]
    return read_inputs(arguments.input, shapes, strings)


def _facts(signature: Signature) -> dict[str, Any]:
    kinds = {"inputs": signature.inputs, "outputs": signature.outputs}
    return {"signature_name": signature.name} | {
        kind: [
            {
                "name": each.name,
                "shape": None if each.shape is None else list(each.shape),
                "type": each.dtype,
            }
            for each in specs.values()
        ]
        for kind, specs in kinds.items()
    }


def give(arguments: Namespace, outputs: dict[str, np.ndarray[Any, Any]]) -> None:
    """Write or print outputs as the options say."""
    if arguments.output is not None:
        write_outputs(arguments.output, outputs)
    shapes = {name: list(each.shape) for name, each in outputs.items()}
    if arguments.json:
        shown = as_json(outputs) if arguments.output is None else shapes
        print(json.dumps(shown, indent=None if arguments.output is None else 2))
    elif arguments.output is not None:
        print(f"{arguments.output}: " + ", ".join(f"{k} {v}" for k, v in shapes.items()))
    else:
        for name, each in outputs.items():
            print(f"{name}: {each.dtype} {shapes[name]}", each, sep="\n")
