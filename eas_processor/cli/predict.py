"""`eascmd predict`, `signature`, `warmup-file` and `run`: a model's inputs and outputs by hand."""

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

import eas_wire as wire
from eas_prediction import InvalidRequest, PredictClient, PredictException, Signature, TFRequest
from eas_prediction._signature import read_signature
from eas_processor.builds.catalogue import NEWEST_CPU
from eas_processor.builds.find import find_build
from eas_processor.cli.inspect import facts_of
from eas_processor.cli.values import as_json, read_inputs, write_outputs
from eas_processor.config import fetch_model, load_service
from eas_processor.errors import CallError
from eas_processor.link.codes import OK, PROCESSOR, unpack_status
from eas_processor.worker.hooks import HooksError, Processor, import_hooks

_PATH = "/api/predict/"
_HINTS = {
    401: "; give the service's token with --token or EAS_TOKEN",
    404: "; the path is /api/predict/SERVICE",
}


def predict(arguments: Namespace) -> None:
    """Send the inputs to the service at a URL; write or print the outputs."""
    with _client(arguments) as client, _errors():
        signature = client.signature()
        outputs = client.predict(
            _inputs(arguments, signature), outputs=arguments.fetch, max_rows=arguments.max_rows
        )
    _give(arguments, outputs)


def show_signature(arguments: Namespace) -> None:
    """Print the signature of the service at a URL."""
    with _client(arguments) as client, _errors():
        signature = client.signature()
    print(json.dumps(_facts(signature), indent=2) if arguments.json else signature)


def warmup_file(arguments: Namespace) -> None:
    """Write the inputs as a request, for `warm_up_data_path`."""
    if "://" in arguments.source:
        with _client(arguments, arguments.source) as client, _errors():
            signature = client.signature()
    else:
        signature = _signature_of_file(Path(arguments.source))
    with _errors():
        arrays = _inputs(arguments, signature)
        request = signature.request(signature.tensors(arrays), arguments.fetch)
    body = request.to_string()
    path = Path(arguments.output)
    try:
        # Of a .txt each line is a request, in base64.
        path.write_bytes(base64.b64encode(body) + b"\n" if path.suffix == ".txt" else body)
    except OSError as error:
        raise CallError(f"{path}: {error.strerror or error}") from error
    facts = {"path": str(path), "bytes": len(body), "signature_name": signature.name}
    print(json.dumps(facts) if arguments.json else f"{path}: a request of {len(body):,} bytes")


def run(arguments: Namespace) -> None:
    """Run a model here, in this interpreter's own TensorFlow, without a service."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if not arguments.model.exists():
        raise CallError(f"{arguments.model} does not exist")
    build = find_build(NEWEST_CPU)
    config = json.dumps({"signature_name": arguments.signature}) if arguments.signature else ""
    try:
        processor = Processor(import_hooks(build.hooks), str(arguments.model.resolve()), config)
    except HooksError as error:
        raise CallError(str(error)) from error
    code, info = processor.describe()
    signature = read_signature(info) if code == OK else None
    with _errors():
        arrays = _inputs(arguments, signature)
        if signature is None:
            request = _untyped_request(arrays, arguments.fetch)
        else:
            request = signature.request(signature.tensors(arrays), arguments.fetch)
        body = request.to_string()
    code, answer = processor.process(body)
    if code != OK:
        said = unpack_status(bytes(answer))[1] if code == PROCESSOR else bytes(answer)
        raise CallError(said.decode("utf-8", "replace"))
    _give(arguments, request.parse_response(bytes(answer)).to_dict())


def _client(arguments: Namespace, url: str = "") -> PredictClient:
    url = url or arguments.url
    token = arguments.token if arguments.token is not None else os.environ.get("EAS_TOKEN", "")
    options: dict[str, Any] = {"token": token, "timeout": arguments.timeout * 1000}
    address, found, name = url.rstrip("/").partition(_PATH)
    if found and name:
        return PredictClient(address, name, **options)
    return PredictClient(custom_url=url, **options)


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except PredictException as error:
        hint = _HINTS.get(error.status or 0, "")
        said = error.message if error.status is None else f"{error.status}: {error.message}"
        if error.status == 400 and "signature" in error.message:
            hint = "; a frozen graph has no signature: call it with TFRequest"
        raise CallError(f"{said}{hint}") from error


def _inputs(arguments: Namespace, signature: Signature | None) -> dict[str, Any]:
    shapes = {} if signature is None else {k: v.shape for k, v in signature.inputs.items()}
    return read_inputs(arguments.input, shapes)


def _untyped_request(arrays: dict[str, Any], fetch: list[str]) -> TFRequest:
    """A request to a frozen graph, with the dtypes that the arrays have."""
    if not fetch:
        raise CallError(
            "this model has no signature: name its outputs with --fetch (eascmd inspect lists them)"
        )
    request = TFRequest()
    for name, values in arrays.items():
        array = np.asarray(values)
        if array.dtype == np.float64 and not isinstance(values, np.ndarray):
            array = array.astype(np.float32)
        kind = "STRING" if array.dtype.kind in "OSU" else array.dtype.name.upper()
        kind = {"FLOAT32": "FLOAT", "FLOAT64": "DOUBLE", "FLOAT16": "HALF"}.get(kind, kind)
        try:
            number = wire.dtype_number(f"DT_{kind}")
        except wire.WireError as error:
            raise InvalidRequest(f"input {name!r}: {error}") from None
        request.add_feed(name, array.shape, number, array)
    for each in fetch:
        request.add_fetch(each)
    return request


def _signature_of_file(path: Path) -> Signature:
    """The signature that the model of a service file answers with, read without TensorFlow."""
    loaded = load_service(path)
    try:
        config = json.loads(loaded.service.model_config or "{}")
    except ValueError:
        config = {}
    signatures = facts_of(fetch_model(loaded)).get("signatures", [])
    wanted = config.get("signature_name") if isinstance(config, dict) else None
    names = [each["signature_name"] for each in signatures]
    for name in (wanted, "serving_default", *sorted(names)):
        if name in names:
            return read_signature(json.dumps(signatures[names.index(name)]).encode())
    raise CallError(f"{path}: the model has no signature to make a request from")


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


def _give(arguments: Namespace, outputs: dict[str, np.ndarray[Any, Any]]) -> None:
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
