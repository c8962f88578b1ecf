"""JSON in the form of TensorFlow Serving's page "RESTful API", checked as the EAS routes do."""

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
    A form is whether the answer is by rows: it is for `instances`, and not for `inputs`.

    Where the model says what stands for values that are not finite, a form is both.
    """

    number = 1
    inline_bytes = 64 * 1024

    def decode(self, body: Any, target: Target) -> Tuple[Request, Form]:
        """Return what `body` asks for; the model says the dtype of each input."""
        text = Body(body)
        if not text.is_large:
            return _read(text, target)
        with turn():
            return _read(text, target)

    def encode(self, outputs: Dict[str, Tensor], form: Form) -> bytes:
        """Return the answer: rows in `predictions`, or whole tensors in `outputs`."""
        by_rows, nan = form if isinstance(form, tuple) else (form, "")
        if nan == "error":
            refuse_not_finite(outputs)
        return write_rows(outputs, nan) if by_rows else write_columns(outputs, nan)

    def encode_shares(self, outputs: Dict[str, Tensor], count: int, form: Form) -> List[bytes]:
        """Return `count` answers, each with its equal share of the rows, written at once."""
        by_rows, nan = form if isinstance(form, tuple) else (form, "")
        if nan == "error":
            refuse_not_finite(outputs)
        write = rows_of_shares if by_rows else columns_of_shares
        return write(outputs, count, nan)


def _refuse_long(role: str, names: Iterable[str]) -> None:
    """Refuse a name that is longer than `eas_wire` takes: to look for it would hold up others."""
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
        # A new one, without the frames of the old, which hold the values.
        return type(error)(*error.args)
    finally:
        body.discard()


def _decode(body: Body, target: Target, exact: bool) -> Tuple[Request, Form]:
    # A function of its own: what it holds of the values has gone before they are discarded.
    asked = JsonRequest(body, exact)
    _refuse_long("signature", [asked.signature_name])
    _refuse_long("output_filter", asked.output_filter)
    columns = asked.columns(target)
    _refuse_long("input", columns)
    specs = target.specs(asked.signature_name, columns, asked.output_filter)
    inputs = {spec.name: read_tensor(spec, columns[spec.name], asked.has_words) for spec in specs}
    form = (asked.by_rows, target.json_nan) if target.json_nan else asked.by_rows
    return Request(asked.signature_name, inputs, asked.output_filter), form
