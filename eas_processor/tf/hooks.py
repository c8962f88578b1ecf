"""
The hooks of the TensorFlow processor, which the worker calls.

Importing this module imports TensorFlow; `initialize` is the first to start its threads.
"""

import json
from typing import Any, List, Union

from eas_processor.tf.batching import run_batch
from eas_processor.tf.config import read_model_config
from eas_processor.tf.errors import BadRequest
from eas_processor.tf.json_answer import write_columns, write_rows
from eas_processor.tf.json_inputs import read_tensor
from eas_processor.tf.json_request import JsonRequest
from eas_processor.tf.loader import load
from eas_processor.tf.model import Model
from eas_processor.wire import decode_request, encode_response


def initialize(model_entry: str, model_config: str) -> Model:
    """Load the model at the path `model_entry`; `model_config` is JSON text or empty."""
    return load(model_entry, read_model_config(model_config))


def process(model: Model, request: Any) -> bytes:
    """
    Answer a `PredictRequest` with a `PredictResponse`; errors know their `status`.

    `request` is any buffer of bytes. Its content must not change afterwards: a model with state may
    keep a view of it.
    """
    plan, arrays = model.prepare(decode_request(request))
    return encode_response(plan.give(model.run(plan, arrays)))


def process_json(model: Model, request: Any) -> bytes:
    """Answer a request in JSON, which the signature gives dtypes to, with JSON."""
    asked = JsonRequest(request)
    columns = asked.columns(model.signature(asked.signature_name))
    plan = model.plan(asked.signature_name, columns, asked.output_filter)
    arrays = plan.take({spec.name: read_tensor(spec, columns[spec.name]) for spec, _ in plan.feeds})
    outputs = plan.give(model.run(plan, arrays))
    return write_rows(outputs) if asked.by_rows else write_columns(outputs)


def batch_process(model: Model, requests: List[Any]) -> List[Union[bytes, Exception]]:
    """Return what `process` returns or raises for each request, in order, in fewer runs."""
    return run_batch(model, requests)


def get_serving_model_info(model: Model) -> bytes:
    """Return the JSON of the signature that a request without a signature name uses."""
    signature = model.default_signature
    if signature is None:
        raise BadRequest(
            "this model has no signature to show, as a frozen graph has none: send its inputs by "
            "the tensor names of its placeholders and name its outputs in output_filter"
        )
    return json.dumps(signature.to_json()).encode()
