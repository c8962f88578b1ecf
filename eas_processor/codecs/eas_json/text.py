"""
From the text of one JSON value to the value: orjson where it is installed and takes it.

orjson takes less than the standard library does (no NaN, no half of a surrogate pair). What both
take has the same values, but for one kind: integers beyond 64 bits are floats in orjson. So what it
does not take is read again, and so is, with `exact`, what a model refuses: its sentence about such
an integer says all the digits.
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
with suppress(ImportError):  # not in a build of someone's own
    orjson = importlib.import_module("orjson")
# Python 3.6 has none newer than 3.6.1, which ends the process at some faults behind a letter beyond
# ASCII, such as a string without its end. 3.6.9 does not.
_ASCII_ALONE = orjson is not None and sys.version_info < (3, 7)

# The longest int64. Python 3.6 takes quadratic time for an integer of any length.
_LONGEST_INTEGER = len("-9223372036854775808")

_NOT_FINITE = re.compile(b"NaN|-?Infinity")
_BOM = codecs.BOM_UTF8
_PIECE = 128 * 1024


def readings() -> Tuple[bool, ...]:
    """Return the values of `exact` to read a text with, until its request is not refused."""
    return (True,) if orjson is None else (False, True)


class NotJson(ValueError):
    """The text is not JSON: `message` says why, and `offset` is the byte of the text where."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


def begin_of(body: Any) -> int:
    """Return where the text of `body` begins: some editors put a byte order mark before it."""
    return len(_BOM) if bytes(body[: len(_BOM)]) == _BOM else 0


def loads(text: bytes, exact: bool) -> Any:
    """
    Return the value of `text`, which is nested no deeper than a parser can recurse.

    `exact` leaves orjson out. Raises `NotJson`; and `CodecError` for numbers that no dtype has.
    """
    if orjson is not None and not exact and not (_ASCII_ALONE and _beyond_ascii(text)):
        try:
            return orjson.loads(text)
        except ValueError:
            pass  # The standard library takes it, or has the words for what is wrong.
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
    Return the text of an array of numbers or truth values: the fewest digits for its dtype.

    `nan` says what stands for a value that is not finite: `null`, a `string`, or without it the
    bare words NaN, Infinity and -Infinity, as TensorFlow Serving writes them.
    """
    if orjson is not None and _is_for_orjson(array):
        try:
            contiguous = np.ascontiguousarray(array)
            text: bytes = orjson.dumps(contiguous, option=orjson.OPT_SERIALIZE_NUMPY)
            return text.replace(b",", b", ")
        except TypeError:
            pass  # An old version, which does not have the dtype.
    if array.dtype.kind == "f" and array.itemsize < 8:
        # By way of text, which has the fewest digits for the dtype: 0.1, not 0.10000000149011612.
        array = array.astype("S32").astype(np.float64)
    words = json.dumps(array.tolist()).encode("ascii")
    if nan == "null":
        return _NOT_FINITE.sub(b"null", words)
    return _NOT_FINITE.sub(rb'"\g<0>"', words) if nan == "string" else words


def _is_for_orjson(array: "np.ndarray[Any, Any]") -> bool:
    # It writes a float16 with the digits that a float32 needs, and null for NaN and infinity.
    if not array.ndim or array.dtype == np.float16 or not array.dtype.isnative:
        return False
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def refusal(body: "np.ndarray[Any, Any]", error: NotJson) -> CodecError:
    """Return the sentence for a fault at `error.offset` of `body`, without a byte order mark."""
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
            # A character may go on in the next piece.
            start += codecs.utf_8_decode(body[start:end].data, "strict", end == body.size)[1]
        except UnicodeDecodeError as error:
            return start + error.start
    return None


def _as_every_python(error: json.JSONDecodeError) -> json.JSONDecodeError:
    """Return an error that reads the same whichever Python the build has."""
    if not error.msg.startswith("Illegal trailing comma"):
        return error
    # Python 3.13 points at the comma, older ones at what follows it.
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
