"""
The hooks of the TensorFlow processor, which workers call.

Importing this module imports TensorFlow, whose threads start in `initialize`. Any Python with
TensorFlow can call these functions without a service: see docs/hooks.md.
"""

import json
import os
from time import perf_counter
from typing import Any, Dict, List, Sequence, Tuple, Union

from eas_processor.codecs.array_proto import ArrayProto
from eas_processor.codecs.registry import find
from eas_processor.tf.config import read_model_config
from eas_processor.tf.errors import BadRequest
from eas_processor.tf.model.load import load
from eas_processor.tf.profile import take_profile as take_profile
from eas_processor.tf.request_log import RequestLog
from eas_processor.tf.rows.proof import count_rows
from eas_processor.tf.run.batching import run_batch
from eas_processor.tf.run.model import Model
from eas_processor.tf.start import pin, run_once
from eas_processor.tf.times import RunTimes
from eas_processor.tf.warm_up import warm_up

TAKES_CODECS = True

_times = RunTimes()


def initialize(
    model_entry: "Union[str, os.PathLike[str]]",
    model_config: Union[str, Dict[str, Any], None] = None,
) -> Model:
    """
    Load the model at the path `model_entry`.

    `model_config` is a dict, or JSON text that may be empty. Raises ModelError.
    """
    config = read_model_config(model_config)
    pin(config.cpus)
    begin = perf_counter()
    model = load(os.fspath(model_entry), config)
    model.load_facts["load_seconds"] = perf_counter() - begin
    if config.enable_warm_up:
        run_once(model)
    if config.enable_model_warmup:
        iterations = config.num_request_iterations_for_warmup or 1
        replayed = warm_up(model, os.fspath(model_entry), iterations)
        if replayed is not None:
            model.load_facts["warm_up_seconds"] = replayed.seconds
            model.load_facts["warm_up_records"] = replayed.records
    if config.request_log is not None and config.request_log.sampling_rate:
        model.request_log = RequestLog(model, config.request_log)
    return model


def process(model: Model, request: Any, codec: int = ArrayProto.number) -> bytes:
    """
    Answer a request in the encoding of the request.

    `codec` is the number of that encoding, by default `PredictRequest`. `request` is any buffer of
    bytes. It must not change afterwards, because a model with state may keep a view of it. The
    answer to an empty `PredictRequest` is the signature as JSON. Exceptions that refuse a request
    have a status code's name as `code`.
    """
    if len(request) == 0 and codec == ArrayProto.number:
        return get_serving_model_info(model)
    if model.shapes_runs:
        return _only(_run(model, [request], [codec]))
    start = perf_counter()
    encoding = find(codec)
    asked, form = encoding.decode(request, model)
    plan, arrays = model.prepare(asked, encoding)
    decoded = perf_counter()
    values = model.run(plan, arrays)
    ran = perf_counter()
    response = encoding.encode(plan.name_outputs(values), form)
    _note(count_rows(arrays) or 1, decoded - start, ran - decoded, perf_counter() - ran)
    if model.request_log is not None:
        model.request_log.offer([request], [codec], [response])
    return response


def _only(answers: List[Union[bytes, Exception]]) -> bytes:
    (answer,) = answers
    if isinstance(answer, Exception):
        raise answer
    return answer


def batch_process(
    model: Model, requests: List[Any], codecs: Sequence[int] = ()
) -> List[Union[bytes, Exception]]:
    """
    Answer several requests with as few runs as possible.

    Returns in order what `process` would return or raise for each. `codecs` has one number for each
    request; if it is empty, all are `PredictRequest`s.
    """
    codecs = codecs or [ArrayProto.number] * len(requests)
    if not all(map(len, requests)):
        return _batch_with_empty(model, requests, codecs)
    return _run(model, requests, codecs)


def _run(
    model: Model, requests: Sequence[Any], codecs: Sequence[int]
) -> List[Union[bytes, Exception]]:
    answers = run_batch(model, requests, codecs, _times)
    if model.request_log is not None:
        model.request_log.offer(requests, codecs, answers)
    return answers


def _asks_for_signature(request: Any, codec: int) -> bool:
    return codec == ArrayProto.number and len(request) == 0


def _batch_with_empty(
    model: Model, requests: List[Any], codecs: Sequence[int]
) -> List[Union[bytes, Exception]]:
    asks = list(map(_asks_for_signature, requests, codecs))
    kept = [index for index, asked in enumerate(asks) if not asked]
    ran = _run(model, [requests[at] for at in kept], [codecs[at] for at in kept])
    answers, described = iter(ran), _described(model)
    return [described if asked else next(answers) for asked in asks]


def _described(model: Model) -> Union[bytes, Exception]:
    try:
        return get_serving_model_info(model)
    except BadRequest as error:
        return error


def take_times() -> Tuple[List[int], float, float, float]:
    """Return and reset the rows of each run, and the seconds of decoding, running and encoding."""
    return _times.take()


def get_serving_model_info(model: Model) -> bytes:
    """Return the default signature as JSON. Raises BadRequest if the model has no signature."""
    signature = model.default_signature
    if signature is None:
        raise BadRequest(
            "this model has no signature to show, because it is a frozen graph: send its inputs by "
            "the tensor names of its placeholders, and name its outputs in output_filter"
        )
    return json.dumps(signature.to_json()).encode()


def get_model_metadata(model: Model) -> bytes:
    """Return all signatures by name, in the JSON of TensorFlow Serving's `/metadata`."""
    return json.dumps(model.metadata).encode()


def get_load_facts(model: Model) -> Dict[str, float]:
    """Return the seconds that the load and the warm-up took, and the number of warm-up records."""
    return model.load_facts


def _note(rows: int, decode: float, run: float, encode: float) -> None:
    _times.rows.append(rows)
    _times.decode += decode
    _times.run += run
    _times.encode += encode
