from __future__ import annotations

import json
from typing import Any

import pytest
from fixtures.serving_messages import parsed

from eas_processor.frontends.grpc.signature_messages import signature_def_map

NO_VALUES = {"dtype": "DT_FLOAT", "version_number": 0, "tensor_content": "", "float8_val": ""}


def written(**parts: Any) -> Any:
    """Return the `SignatureDef` that one with these parts becomes."""
    shown = {"inputs": {}, "outputs": {}, "method_name": "", "defaults": {}, **parts}
    (entry,) = parsed("SignatureDefMap", signature_def_map(json.dumps({"s": shown}))).signature_def
    assert entry.key == "s"
    return entry.value


@pytest.mark.parametrize(
    ("dtype", "number"),
    [("DT_INVALID", 0), ("DT_FLOAT", 1), ("DT_UINT64", 23), ("DT_FLOAT_REF", 101), ("DT_99", 99)],
)
def test_dtypes_have_their_numbers(dtype: str, number: int) -> None:
    (entry,) = written(inputs={"x": {"dtype": dtype, "name": "x:0"}}).inputs
    assert (entry.key, entry.value.dtype) == ("x", number)
    assert not entry.value.HasField("tensor_shape")


def test_shapes_have_their_dimensions() -> None:
    dims = [{"size": "-1", "name": "batch"}, {"size": "784", "name": ""}]
    shape = {"dim": dims, "unknown_rank": False}
    info = {"dtype": "DT_FLOAT", "tensor_shape": shape, "name": "y:0"}
    (entry,) = written(outputs={"y": info}, method_name="m").outputs
    read = entry.value.tensor_shape
    assert [(each.size, each.name) for each in read.dim] == [(-1, "batch"), (784, "")]
    assert not read.unknown_rank


def test_a_sparse_tensor_has_its_three_names() -> None:
    names = {
        "values_tensor_name": "v",
        "indices_tensor_name": "i",
        "dense_shape_tensor_name": "s",
    }
    (entry,) = written(inputs={"x": {"dtype": "DT_FLOAT", "coo_sparse": names}}).inputs
    sparse = entry.value.coo_sparse
    assert {name: getattr(sparse, name) for name in names} == names
    assert not entry.value.name


@pytest.mark.parametrize(
    ("field", "shown", "values"),
    [
        ("float_val", [1.5, "Infinity", "-Infinity"], [1.5, float("inf"), float("-inf")]),
        ("double_val", [1.5], [1.5]),
        ("int_val", [-5, 7], [-5, 7]),
        ("int64_val", ["-5", "1152921504606846976"], [-5, 1 << 60]),
        ("uint64_val", ["9223372036854775808"], [1 << 63]),
        ("uint32_val", [4294967295], [4294967295]),
        ("bool_val", [True, False], [True, False]),
        ("string_val", ["/w==", ""], [b"\xff", b""]),
        ("half_val", [15360], [15360]),
        ("scomplex_val", [1.0, 2.0], [1.0, 2.0]),
        ("dcomplex_val", [1.0, 2.0], [1.0, 2.0]),
    ],
)
def test_defaults_keep_their_values(field: str, shown: list[Any], values: list[Any]) -> None:
    (entry,) = written(defaults={"x": {**NO_VALUES, field: shown}}).defaults
    assert (entry.key, entry.value.dtype) == ("x", 1)
    assert list(getattr(entry.value, field)) == values


def test_defaults_keep_their_bytes() -> None:
    (entry,) = written(defaults={"x": {**NO_VALUES, "tensor_content": "AACAPw=="}}).defaults
    assert entry.value.tensor_content == b"\x00\x00\x80\x3f"
