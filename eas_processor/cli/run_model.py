"""`eascmd run`: a model in this process, without a service."""

from __future__ import annotations

import importlib.util
import json
import os
from argparse import Namespace
from typing import Any

import numpy as np

import eas_wire as wire
from eas_prediction import InvalidRequest, TFRequest
from eas_prediction._signature import read_signature
from eas_processor.cli.predict import errors, give, inputs
from eas_processor.errors import CallError
from eas_processor.home import have_temporary_directory
from eas_processor.link.codes import OK, PROCESSOR, unpack_status
from eas_processor.worker.hooks import HooksError, Processor, import_hooks

_HOOKS = "eas_processor.tf.hooks"


def run(arguments: Namespace) -> None:
    """Run a model here, in this interpreter's own TensorFlow, without a service."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if not arguments.model.exists():
        raise CallError(f"{arguments.model} does not exist")
    if importlib.util.find_spec("tensorflow") is None:
        raise ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")
    have_temporary_directory()
    config = json.dumps({"signature_name": arguments.signature}) if arguments.signature else ""
    try:
        processor = Processor(import_hooks(_HOOKS), str(arguments.model.resolve()), config)
    except HooksError as error:
        raise CallError(str(error)) from error
    code, info = processor.describe()
    signature = read_signature(info) if code == OK else None
    with errors():
        arrays = inputs(arguments, signature)
        if signature is None:
            request = _untyped_request(arrays, arguments.fetch)
        else:
            request = signature.request(signature.tensors(arrays), arguments.fetch)
        body = request.to_string()
    code, answer = processor.process(body)
    if code != OK:
        said = unpack_status(bytes(answer))[1] if code == PROCESSOR else bytes(answer)
        raise CallError(said.decode("utf-8", "replace"))
    give(arguments, request.parse_response(bytes(answer)).to_dict())


def _untyped_request(arrays: dict[str, Any], fetch: list[str]) -> TFRequest:
    """A request to a frozen graph, with the dtypes of the arrays."""
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
