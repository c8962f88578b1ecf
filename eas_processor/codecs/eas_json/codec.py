"""The JSON of TensorFlow Serving's page "RESTful API", with the strict checks of the EAS routes."""

from typing import Any, Dict, Iterable, List, Tuple, Union

from eas_processor.codecs.codec import Codec, Form, Target
from eas_processor.codecs.eas_json.answer import (
    columns_of_shares,
    refuse_not_finite,
    rows_of_shares,
    write_columns,
    write_rows,
)
from eas_processor.codecs.eas_json.inputs import read_tensor
from eas_processor.codecs.eas_json.request import Body, JsonRequest
from eas_processor.codecs.eas_json.text import readings
from eas_processor.codecs.eas_json.turns import turn
from eas_processor.codecs.errors import CodecError
from eas_wire import Request, Tensor
from eas_wire.decode import MAX_NAME_BYTES
from eas_wire.text import LIMIT

_MAX_BYTES_OF_A_CHARACTER = 4


class EasJson(Codec):
    """
    The JSON codec of the EAS routes.

    A form tells whether the answer is by rows: True for `instances`, False for `inputs`. If the
    model has `json_nan`, a form is a pair of both.
    """

    number = 1
    inline_bytes = 64 * 1024

    def decode(self, body: Any, target: Target) -> Tuple[Request, Form]:
        """Decode `body` into tensors with the dtypes that the model declares."""
        text = Body(body)
        if not text.is_large:
            return _read(text, target)
        with turn():
            return _read(text, target)

    def encode(self, outputs: Dict[str, Tensor], form: Form) -> bytes:
        """Encode an answer: rows in `predictions`, or whole tensors in `outputs`."""
        by_rows, nan = form if isinstance(form, tuple) else (form, "")
        if nan == "error":
            refuse_not_finite(outputs)
        return write_rows(outputs, nan) if by_rows else write_columns(outputs, nan)

    def encode_shares(self, outputs: Dict[str, Tensor], count: int, form: Form) -> List[bytes]:
        """Encode `count` answers, which share the rows equally."""
        by_rows, nan = form if isinstance(form, tuple) else (form, "")
        if nan == "error":
            refuse_not_finite(outputs)
        write = rows_of_shares if by_rows else columns_of_shares
        return write(outputs, count, nan)


def _refuse_long(role: str, names: Iterable[str]) -> None:
    """Raise CodecError for a name above the limit of `eas_wire`, since it would delay others."""
    for name in names:
        if len(name) * _MAX_BYTES_OF_A_CHARACTER > MAX_NAME_BYTES:
            size = len(name.encode("utf-8", "surrogatepass"))
            if size > MAX_NAME_BYTES:
                raise CodecError(
                    f"a name of {size} bytes ({role}): expected {MAX_NAME_BYTES} bytes or fewer, "
                    f"got {name[:LIMIT] + '...'!r}"
                )


def _read(body: Body, target: Target) -> Tuple[Request, Form]:
    refusal: Exception = CodecError()
    for exact in readings():
        outcome = _try(body, target, exact)
        if not isinstance(outcome, Exception):
            return outcome
        refusal = outcome
    raise refusal


def _try(body: Body, target: Target, exact: bool) -> Union[Tuple[Request, Form], Exception]:
    try:
        return _decode(body, target, exact)
    except Exception as error:
        if not hasattr(error, "code"):
            raise
        # A new exception, because the frames of this one keep the values alive.
        return type(error)(*error.args)
    finally:
        body.discard()


def _decode(body: Body, target: Target, exact: bool) -> Tuple[Request, Form]:
    # A separate function, so that its references to the values are gone before `discard`.
    asked = JsonRequest(body, exact)
    _refuse_long("signature", [asked.signature_name])
    _refuse_long("output_filter", asked.output_filter)
    columns = asked.columns(target)
    _refuse_long("input", columns)
    specs = target.specs(asked.signature_name, columns, asked.output_filter)
    inputs = {
        spec.name: read_tensor(spec, columns[spec.name], asked.has_booleans) for spec in specs
    }
    form = (asked.by_rows, target.json_nan) if target.json_nan else asked.by_rows
    return Request(asked.signature_name, inputs, asked.output_filter), form
