"""From the body of a JSON request to the arrays of a run: the steps in order, once or twice."""

from typing import Any, List, Tuple, Union

from eas_processor.codecs.json_inputs import read_tensor
from eas_processor.codecs.json_request import Body, JsonRequest
from eas_processor.codecs.json_text import READINGS
from eas_processor.codecs.json_turns import turn
from eas_processor.tf.errors import ProcessorError
from eas_processor.tf.run.model import Model
from eas_processor.tf.run.plans import Plan

Prepared = Tuple[Plan, List[Any], bool]
"""What to run, its arrays, and whether the answer is by rows."""


def read_request(model: Model, request: Any) -> Prepared:
    """Return what `request` asks of `model`. Raises `BadRequest` where that cannot be run."""
    body = Body(request)
    if not body.is_large:
        return _read(model, body)
    with turn():
        return _read(model, body)


def _read(model: Model, body: Body) -> Prepared:
    refusal = ProcessorError()
    for exact in READINGS:
        outcome = _try(model, body, exact)
        if not isinstance(outcome, ProcessorError):
            return outcome
        refusal = outcome
    raise refusal


def _try(model: Model, body: Body, exact: bool) -> Union[Prepared, ProcessorError]:
    try:
        return _prepare(model, body, exact)
    except ProcessorError as error:
        # A new one, without the frames of the old, which hold the values.
        return type(error)(*error.args)
    finally:
        body.discard()


def _prepare(model: Model, body: Body, exact: bool) -> Prepared:
    asked = JsonRequest(body, exact)
    columns = asked.columns(model.signature(asked.signature_name))
    plan = model.plan(asked.signature_name, columns, asked.output_filter)
    tensors = {spec.name: read_tensor(spec, columns[spec.name]) for spec, _ in plan.feeds}
    return plan, plan.take(tensors), asked.by_rows
