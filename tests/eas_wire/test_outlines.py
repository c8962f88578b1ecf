"""A recalled request equals the request that decoding would return."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eas_wire as wire
from eas_wire.outlines import Outlines, outline_of


def image(*values):
    return wire.Tensor(wire.DT_FLOAT, np.array([values], "f4"))


def encode(inputs, signature_name="predict", output_filter=("scores",)):
    return wire.encode_request(wire.Request(signature_name, inputs, list(output_filter)))


def learned(body):
    outlines = Outlines()
    outlines.learn(memoryview(body), wire.decode_request(body))
    return outlines


SEEN = encode({"a": image(1, 2), "b": wire.Tensor(wire.DT_COMPLEX128, np.array(1j))})


def test_other_values_are_recalled():
    body = encode({"a": image(3, 4), "b": wire.Tensor(wire.DT_COMPLEX128, np.array(2j))})
    got = learned(SEEN).recall(memoryview(body))
    assert (got.signature_name, got.output_filter) == ("predict", ["scores"])
    assert [(name, tensor.dtype) for name, tensor in got.inputs.items()] == [
        ("a", wire.DT_FLOAT),
        ("b", wire.DT_COMPLEX128),
    ]
    assert got.inputs["a"].array.tolist() == [[3, 4]]
    assert got.inputs["b"].array.tolist() == 2j


def test_recalled_requests_share_nothing_that_can_be_changed():
    outlines = learned(SEEN)
    outlines.recall(memoryview(SEEN)).output_filter.append("more")
    outlines.recall(memoryview(SEEN)).inputs.clear()
    got = outlines.recall(memoryview(SEEN))
    assert (len(got.inputs), got.output_filter) == (2, ["scores"])


@given(st.integers(0, len(SEEN) - 1), st.integers(1, 255))
def test_a_changed_byte_is_never_missed(place, change):
    body = bytearray(SEEN)
    body[place] ^= change
    got = learned(SEEN).recall(memoryview(body))
    if got is not None:
        again = wire.encode_request(got)
        assert again == bytes(body)


def test_another_request_of_the_same_size_takes_the_place():
    other = encode({"x": image(1, 2), "b": wire.Tensor(wire.DT_COMPLEX128, np.array(1j))})
    assert len(other) == len(SEEN)
    outlines = learned(SEEN)
    assert outlines.recall(memoryview(other)) is None
    outlines.learn(memoryview(other), wire.decode_request(other))
    assert list(outlines.recall(memoryview(other)).inputs) == ["x", "b"]


@pytest.mark.parametrize(
    "tensor",
    [
        wire.Tensor(wire.DT_INT32, np.array([1], "i4")),
        wire.Tensor(wire.DT_STRING, np.array([b"a"], object)),
        wire.Tensor(wire.DT_HALF, np.array([1], "f2")),
        wire.Tensor(wire.DT_FLOAT, np.empty((0, 2), "f4")),
        wire.Tensor(wire.DT_BOOL, np.array([True])),
    ],
)
def test_values_that_are_no_views_are_not_learned(tensor):
    body = encode({"a": image(1), "b": tensor})
    assert outline_of(memoryview(body), wire.decode_request(body)) is None


def test_the_memory_is_bounded():
    outlines = Outlines()
    bodies = [encode({"a": image(1), "n" * size: image(2)}) for size in range(1, 300)]
    for body in bodies:
        outlines.learn(memoryview(body), wire.decode_request(body))
    known = [body for body in bodies if outlines.recall(memoryview(body)) is not None]
    assert bodies[-1] in known
    assert len(known) <= 256
    large = encode({"a": image(1)}, output_filter=["x" * 4000] * 5)
    assert outline_of(memoryview(large), wire.decode_request(large)) is None
