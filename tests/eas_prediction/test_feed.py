from __future__ import annotations

import sys

import numpy as np
import pytest
from fixtures import need

import eas_wire as wire
from eas_prediction import _feed
from eas_prediction.exception import InvalidRequest
from eas_wire import (
    DT_BFLOAT16,
    DT_BOOL,
    DT_COMPLEX64,
    DT_COMPLEX128,
    DT_DOUBLE,
    DT_FLOAT,
    DT_HALF,
    DT_INT8,
    DT_INT16,
    DT_INT32,
    DT_INT64,
    DT_INVALID,
    DT_QINT8,
    DT_QUINT16,
    DT_STRING,
    DT_UINT8,
    DT_UINT16,
    DT_VARIANT,
)


@pytest.mark.parametrize(
    ("dtype", "shape", "content", "expected"),
    [
        (DT_FLOAT, [1, 3], [1.0, 2, True], [[1, 2, 1]]),
        (DT_FLOAT, (2, 2), [[1.5, 2], [3, 4]], [[1.5, 2], [3, 4]]),
        (DT_FLOAT, [4], [[1, 2], [3, 4]], [1, 2, 3, 4]),
        (DT_FLOAT, [], 2.5, 2.5),
        (DT_FLOAT, [1], 2.5, [2.5]),
        (DT_FLOAT, [], [2.5], 2.5),
        (DT_FLOAT, [0, 3], [], np.zeros([0, 3])),
        (DT_FLOAT, [3], range(3), [0, 1, 2]),
        (DT_FLOAT, [3], map(float, "123"), [1, 2, 3]),
        (DT_FLOAT, [2], np.array([1, 2], np.float64), [1, 2]),
        (DT_FLOAT, np.array([2]), np.array([1, 2], ">f4"), [1, 2]),
        (DT_FLOAT, [3], np.arange(6, dtype=np.float32)[::2], [0, 2, 4]),
        (DT_FLOAT, [2, 3], np.arange(6, dtype=np.float32).reshape(3, 2).T, [[0, 2, 4], [1, 3, 5]]),
        (DT_DOUBLE, [1], [0.1], [0.1]),
        (DT_HALF, [1], [0.5], [0.5]),
        (DT_BFLOAT16, [1], [0.5], [0.5]),
        (DT_INT8, [2], [-128, 127], [-128, 127]),
        (DT_INT16, [1], [-5], [-5]),
        (DT_INT32, [1], np.array([7], np.int64), [7]),
        (DT_INT64, [1], [-(2**63)], [-(2**63)]),
        (DT_UINT8, [1], [255], [255]),
        (DT_UINT16, [1], [65535], [65535]),
        (DT_QINT8, [1], [-1], [-1]),
        (DT_QUINT16, [1], [65535], [65535]),
        (DT_BOOL, [3], [True, 0, 1], [True, False, True]),
        (DT_COMPLEX64, [2], [1 + 2j, 3], [1 + 2j, 3]),
        (DT_COMPLEX128, [1], [1 + 2j], [1 + 2j]),
        (DT_STRING, [2], ["a\0", b"b\0"], ["a\0", b"b\0"]),
        (DT_STRING, [2, 1], [["a"], [b"bc"]], [["a"], [b"bc"]]),
        (DT_STRING, [], "text", "text"),
        (DT_STRING, [1], b"text", [b"text"]),
        (DT_STRING, [2], np.array(["a", "bc"]), ["a", "bc"]),
    ],
)
def test_content(dtype, shape, content, expected):
    tensor = _feed.tensor("x", shape, dtype, content)
    assert tensor.dtype == dtype
    assert tensor.array.dtype == wire.storage_dtype(dtype)
    assert tensor.array.shape == np.shape(expected)
    assert tensor.array.tolist() == np.array(expected, dtype=tensor.array.dtype).tolist()


@pytest.mark.parametrize("array", [np.zeros([2, 3], np.float32), np.zeros([], np.float32)])
def test_an_array_of_the_right_type_is_not_copied(array):
    tensor = _feed.tensor("x", array.shape, DT_FLOAT, array)
    assert np.shares_memory(tensor.array, array)


@pytest.mark.skipif(sys.version_info < (3, 9), reason="ml_dtypes needs Python 3.9")
def test_bfloat16_arrays():
    ml_dtypes = need.module("ml_dtypes")
    tensor = _feed.tensor("x", [1], DT_BFLOAT16, np.array([1.5], ml_dtypes.bfloat16))
    assert tensor.array.tolist() == [1.5]


@pytest.mark.parametrize(
    ("dtype", "shape", "content", "message"),
    [
        (DT_FLOAT, [1, 784], [1.0] * 783, r"shape \[1, 784\] needs 784 values, got 783"),
        (DT_FLOAT, [], [1.0, 2.0], r"shape \[\] needs 1 values, got 2"),
        (DT_FLOAT, [0], [1.0], r"shape \[0\] needs 0 values, got 1"),
        (DT_FLOAT, [-1, 2], [1.0, 2.0], r"shape \[-1, 2\] has a negative size"),
        (DT_FLOAT, 784, [1.0], r"expected a shape such as \[1, 784\], got 784"),
        (DT_FLOAT, [1.5], [1.0], r"expected a shape such as"),
        (DT_FLOAT, [None, 1], [1.0], r"expected a shape such as"),
        (DT_FLOAT, [2], ["1.0", "2.0"], "DT_FLOAT takes numbers, got str"),
        (DT_FLOAT, [2], [1.0, None], "DT_FLOAT takes numbers, got objects"),
        (DT_FLOAT, [1], [1j], "DT_FLOAT takes numbers, got complex128"),
        (DT_FLOAT, [1], {1.0}, "DT_FLOAT takes numbers, got objects"),
        (DT_INT32, [2], [1, 2.5], "DT_INT32 takes integers, got float64"),
        (DT_BOOL, [1], [0.0], "DT_BOOL takes booleans, got float64"),
        (DT_BOOL, [2], [0, 2], "DT_BOOL takes 0 to 1, got 2"),
        (DT_INT8, [2], [0, 300], "DT_INT8 takes -128 to 127, got 300"),
        (DT_UINT8, [1], [-1], "DT_UINT8 takes 0 to 255, got -1"),
        (DT_INT64, [1], np.array([2**63], np.uint64), "DT_INT64 takes"),
        (DT_STRING, [1], [1], "DT_STRING takes str or bytes, got int"),
        (DT_STRING, [2], [["a"], ["b", "c"]], "DT_STRING takes str or bytes, got list"),
        (DT_INVALID, [1], [1], "no dtype is set"),
        (DT_VARIANT, [1], [1], "DT_VARIANT has no values on the wire"),
        (99, [1], [1], "dtype 99 has no values on the wire"),
    ],
)
def test_misuse_names_the_input_and_both_sides(dtype, shape, content, message):
    with pytest.raises(InvalidRequest, match=f"^Code: 400, Message: input 'x': {message}"):
        _feed.tensor("x", shape, dtype, content)


@pytest.mark.filterwarnings("ignore:Creating an ndarray from ragged")
def test_rows_of_unequal_length():
    with pytest.raises(InvalidRequest, match="input 'x': "):
        _feed.tensor("x", [3], DT_FLOAT, [[1.0], [2.0, 3.0]])


def test_a_name_is_text():
    with pytest.raises(InvalidRequest, match="name of an input: expected a str, got 1"):
        _feed.tensor(1, [1], DT_FLOAT, [1.0])  # type: ignore[arg-type]
