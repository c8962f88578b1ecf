"""
Parse the text of one JSON value, with orjson if it is installed.

orjson accepts less than the standard library: no NaN, and no unpaired surrogates. For text that
both accept, they return the same values, except that integers beyond 64 bits become floats in
orjson. So text that orjson refuses is parsed again by the standard library. A request that the
model refuses is parsed again with `exact`, so that the message has all digits of such an integer.
"""

import codecs
import importlib
import json
import math
import re
import sys
from contextlib import suppress
from typing import Any, Tuple

import numpy as np

from eas_processor.codecs.errors import CodecError
from eas_wire.text import cut

orjson: Any = None
with suppress(ImportError):  # a user's own interpreter may lack it
    orjson = importlib.import_module("orjson")
# The newest orjson for Python 3.6 is 3.6.1. It crashes on some errors that follow a character
# beyond ASCII, such as an unterminated string. 3.6.9 does not.
_ASCII_ALONE = orjson is not None and sys.version_info < (3, 7)

# The length of the longest int64. Python 3.6 has no limit, and parses long integers in quadratic
# time.
_LONGEST_INTEGER = len("-9223372036854775808")

_NOT_FINITE = re.compile(b"NaN|-?Infinity")
_BOM = codecs.BOM_UTF8
_PIECE = 128 * 1024


def readings() -> Tuple[bool, ...]:
    """Return the values of `exact` to try in order, until the request is accepted."""
    return (True,) if orjson is None else (False, True)


class NotJson(ValueError):
    """The text is not JSON: `message` is the reason, and `offset` the byte of the error."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


def begin_of(body: Any) -> int:
    """Return where the text of `body` begins, after a byte order mark if there is one."""
    return len(_BOM) if bytes(body[: len(_BOM)]) == _BOM else 0


def loads(text: bytes, exact: bool) -> Any:
    """
    Return the value of `text`, whose depth must be within `limits.MAX_DEPTH`.

    `exact` uses only the standard library. Raises NotJson, and CodecError for a number that is too
    large for any dtype.
    """
    if orjson is not None and not exact and not (_ASCII_ALONE and _beyond_ascii(text)):
        try:
            return orjson.loads(text)
        except ValueError:
            pass  # The standard library accepts the text, or has the message for the error.
    try:
        return json.loads(str(text, "utf-8"), parse_int=_read_integer, parse_float=_read_float)
    except UnicodeDecodeError as error:
        raise NotJson("not UTF-8", error.start) from None
    except json.JSONDecodeError as error:
        error = _as_every_python(error)
        raise NotJson(error.msg, len(error.doc[: error.pos].encode("utf-8"))) from None


def _beyond_ascii(text: bytes) -> bool:
    try:
        str(text, "ascii")
    except UnicodeDecodeError:
        return True
    return False


def write_numbers(array: "np.ndarray[Any, Any]", nan: str = "") -> bytes:
    """
    Encode an array of numbers or booleans, with the fewest digits that identify each value.

    `nan` decides how values that are not finite appear: "null", "string", or "" for the bare words
    NaN, Infinity and -Infinity, as in TensorFlow Serving.
    """
    if orjson is not None and _is_for_orjson(array):
        try:
            contiguous = np.ascontiguousarray(array)
            text: bytes = orjson.dumps(contiguous, option=orjson.OPT_SERIALIZE_NUMPY)
            return text.replace(b",", b", ")
        except TypeError:
            pass  # An old version does not support the dtype.
    if array.dtype.kind == "f" and array.itemsize < 8:
        # numpy's text has the fewest digits for the dtype: 0.1, not 0.10000000149011612.
        array = array.astype("S32").astype(np.float64)
    words = json.dumps(array.tolist()).encode("ascii")
    if nan == "null":
        return _NOT_FINITE.sub(b"null", words)
    return _NOT_FINITE.sub(rb'"\g<0>"', words) if nan == "string" else words


def _is_for_orjson(array: "np.ndarray[Any, Any]") -> bool:
    # orjson writes a float16 with the digits of a float32, and null for NaN and infinities.
    if not array.ndim or array.dtype == np.float16 or not array.dtype.isnative:
        return False
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def refusal(body: "np.ndarray[Any, Any]", error: NotJson) -> CodecError:
    """Return the error for `body`, which has no byte order mark, with line and column."""
    odd = _first_odd_byte(body)
    if odd is not None:
        return CodecError(f"the body is not JSON: byte {odd} is not UTF-8")
    line, begin = 1, 0
    for start in range(0, error.offset, _PIECE):
        ends = np.flatnonzero(body[start : min(start + _PIECE, error.offset)] == ord("\n"))
        if ends.size:
            line += int(ends.size)
            begin = start + int(ends[-1]) + 1
    column = 1 + sum(
        int(np.count_nonzero(body[start : min(start + _PIECE, error.offset)] & 0xC0 != 0x80))
        for start in range(begin, error.offset, _PIECE)
    )
    return CodecError(f"the body is not JSON: line {line} column {column}: {error.message}")


def _first_odd_byte(body: "np.ndarray[Any, Any]") -> Any:
    """Return the position of the first byte that is not UTF-8, or None."""
    start = 0
    while start < body.size:
        end = min(start + _PIECE, body.size)
        try:
            # A character may continue in the next piece.
            start += codecs.utf_8_decode(body[start:end].data, "strict", end == body.size)[1]
        except UnicodeDecodeError as error:
            return start + error.start
    return None


def _as_every_python(error: json.JSONDecodeError) -> json.JSONDecodeError:
    """Return the error with the same message in each version of Python."""
    if not error.msg.startswith("Illegal trailing comma"):
        return error
    # Python 3.13 reports the position of the comma, and older versions that of the next token.
    after = error.pos + 1
    after += len(error.doc[after:]) - len(error.doc[after:].lstrip(" \t\n\r"))
    in_list = error.doc[after] == "]"
    expected = "value" if in_list else "property name enclosed in double quotes"
    return json.JSONDecodeError(f"Expecting {expected}", error.doc, after)


def _read_integer(digits: str) -> Any:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else _read_float(digits)


def _read_float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise CodecError(f"the number {cut(digits)} is too large for any dtype")
    return value
