import json

import numpy as np
import pytest

import eas_wire as wire
from eas_processor.codecs.eas_json.answer import (
    columns_of_shares,
    rows_of_shares,
    write_columns,
    write_rows,
)
from eas_processor.codecs.errors import CodecError
from eas_wire.tensors import share


def tensor(dtype, values):
    return wire.Tensor(dtype, np.array(values, wire.storage_dtype(dtype)))


def floats(values):
    return tensor(wire.DT_FLOAT, values)


def strings(*values):
    array = np.empty(len(values), object)
    array[:] = values
    return wire.Tensor(wire.DT_STRING, array)


def test_the_only_output_stands_without_its_name():
    assert write_columns({"y": floats([[1, 2.5]])}) == b'{"outputs": [[1.0, 2.5]]}'
    assert write_columns({"y": floats(3)}) == b'{"outputs": 3.0}'
    assert write_rows({"y": floats([[1, 2], [3, 4]])}) == (
        b'{"predictions": [[1.0, 2.0], [3.0, 4.0]]}'
    )


def test_several_outputs_stand_by_name():
    outputs = {"y": floats([[1], [2]]), "n": tensor(wire.DT_INT64, [3, 4])}
    assert write_columns(outputs) == b'{"outputs": {"y": [[1.0], [2.0]], "n": [3, 4]}}'
    assert write_rows(outputs) == (b'{"predictions": [{"y": [1.0], "n": 3}, {"y": [2.0], "n": 4}]}')


def test_no_rows_give_no_predictions():
    empty = floats(np.zeros((0, 2)))
    assert write_rows({"y": empty}) == b'{"predictions": []}'
    assert write_rows({"y": empty, "z": empty}) == b'{"predictions": []}'


@pytest.mark.parametrize(
    "other, shape", [(floats(1), "[]"), (floats([1, 2, 3]), "[3]"), (floats([[1, 2]]), "[1, 2]")]
)
def test_outputs_that_have_no_rows_in_common(other, shape):
    with pytest.raises(CodecError) as caught:
        write_rows({"y": floats([1, 2]), "z": other})
    assert str(caught.value) == (
        "'instances' needs outputs with the same number of rows, got the shapes "
        f"'y' [2], 'z' {shape}: send 'inputs' instead, or choose other outputs by output_filter"
    )


@pytest.mark.parametrize(
    "dtype, value, text",
    [
        (wire.DT_FLOAT, 0.1, "0.1"),
        (wire.DT_FLOAT, 16777216, "16777216.0"),
        (wire.DT_FLOAT, 1e-45, "1e-45"),
        (wire.DT_FLOAT, -0.0, "-0.0"),
        (wire.DT_FLOAT, float("nan"), "NaN"),
        (wire.DT_FLOAT, float("-inf"), "-Infinity"),
        (wire.DT_HALF, 0.1, "0.1"),
        (wire.DT_HALF, float("inf"), "Infinity"),
        (wire.DT_DOUBLE, 0.1, "0.1"),
        (wire.DT_DOUBLE, 1 / 3, "0.3333333333333333"),
        (wire.DT_INT64, -(2**63), "-9223372036854775808"),
        (wire.DT_UINT8, 255, "255"),
        (wire.DT_BOOL, True, "true"),
    ],
)
def test_numbers_have_the_fewest_digits_that_give_them_back(dtype, value, text):
    assert write_columns({"y": tensor(dtype, [value])}).decode() == f'{{"outputs": [{text}]}}'


def test_strings_are_text_where_they_can_be():
    outputs = {"s": strings("é".encode(), b"\xff", b""), "s_bytes": strings(b"abc", b"\0", b"")}
    text = write_columns(outputs).decode("utf-8")
    assert "é" in text
    assert json.loads(text)["outputs"] == {
        "s": ["é", {"b64": "/w=="}, ""],
        "s_bytes": [{"b64": "YWJj"}, {"b64": "AA=="}, {"b64": ""}],
    }


def test_strings_keep_their_shape():
    scalar = np.empty((), object)
    scalar[()] = b"a"
    assert write_columns({"s": wire.Tensor(wire.DT_STRING, scalar)}) == b'{"outputs": "a"}'
    square = wire.Tensor(wire.DT_STRING, strings(b"a", b"b", b"c", b"d").array.reshape(2, 2))
    assert write_columns({"s": square}) == b'{"outputs": [["a", "b"], ["c", "d"]]}'


def test_complex_numbers_are_refused():
    with pytest.raises(CodecError, match="output 'c' is DT_COMPLEX64, which JSON cannot represent"):
        write_columns({"c": tensor(wire.DT_COMPLEX64, [1j])})


@pytest.mark.parametrize(
    "outputs",
    [
        {"y": floats([1, 2, 3, 4])},
        {"y": floats([[1], [2.5], [3], [4]])},
        {"y": floats(np.arange(8).reshape(2, 2, 2))},
        {"y": floats(np.arange(32).reshape(4, 2, 2, 2))},
        {"y": floats([[1, float("nan")], [2, float("inf")]])},
        {"y": floats(np.zeros((0, 2)))},
        {"y": floats(np.zeros((2, 0)))},
        {"y": tensor(wire.DT_BOOL, [[True], [False]]), "n": tensor(wire.DT_INT64, [3, 4])},
        {"s": strings(b"a", b"], ["), "y": floats([[1], [2]])},
        {"y": tensor(wire.DT_HALF, [[0.1, 2], [3, 4]])},
        {"y": floats(np.arange(20000).reshape(2, 100, 100))},
    ],
    ids=lambda outputs: ", ".join(map(str, outputs.values())),
)
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    "write, write_shares", [(write_columns, columns_of_shares), (write_rows, rows_of_shares)]
)
def test_shares_are_written_as_if_each_were_alone(write, write_shares, outputs, count):
    shares = write_shares(outputs, count)
    assert shares == [write(share(outputs, count, each)) for each in range(count)]


def test_shares_of_complex_numbers_are_refused():
    for write_shares in (columns_of_shares, rows_of_shares):
        with pytest.raises(CodecError, match="which JSON cannot represent"):
            write_shares({"c": tensor(wire.DT_COMPLEX64, [1j, 2j])}, 2)
