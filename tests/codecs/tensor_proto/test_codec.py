"""Requests and answers of `PredictionService`, compared with protobuf's own classes."""

import contextlib

import numpy as np
import pytest
from fixtures.serving_messages import example, input_of, new, parsed, predict_request, tensor

import eas_wire as wire
from eas_processor.codecs.codec import Target
from eas_processor.codecs.errors import CodecError
from eas_processor.codecs.registry import find
from eas_processor.codecs.tensor_proto.messages import read_model_spec
from eas_processor.link.frames import CLASSIFY_PROTO, REGRESS_PROTO, TENSOR_CONTENT, TENSOR_PROTO
from eas_wire import Tensor
from eas_wire.tensor_proto.layouts import LAYOUTS

TYPED, CONTENT = find(TENSOR_PROTO), find(TENSOR_CONTENT)
CLASSIFY, REGRESS = find(CLASSIFY_PROTO), find(REGRESS_PROTO)


class NoSuchName(Exception):
    code = "INVALID_ARGUMENT"


class Model(Target):
    """A model with one signature; its outputs are `y` and `z`."""

    def __init__(self, *inputs, **defaults):
        self._inputs = inputs
        self._defaults = defaults

    def input_names(self, signature_name):
        if signature_name not in ("", "serving_default"):
            raise NoSuchName(signature_name)
        return self._inputs or None

    def input_defaults(self, signature_name):
        return self._defaults

    def output_names(self, signature_name):
        return ("y", "z")

    def example_outputs(self, signature_name, method):
        return ["classes", "scores"] if method == "classify" else ["outputs"]


FLOATS = tensor(wire.DT_FLOAT, [1, 2], float_val=[1, 2])


def decode(message, model=None, codec=TYPED):
    return codec.decode(message.SerializeToString(), model or Model("x"))[0]


def refusal(message, model=None, codec=TYPED):
    with pytest.raises(CodecError) as caught:
        decode(message, model, codec)
    return str(caught.value), caught.value.code


def test_a_request():
    asked = decode(predict_request("serving_default", ["z", "y"], x=FLOATS))
    assert asked.signature_name == "serving_default"
    assert asked.output_filter == ["z", "y"]
    assert asked.inputs["x"].array.tolist() == [[1, 2]]


def test_requests_alike_are_recognised_and_hold_their_own_values():
    for codec in (TYPED, CONTENT):
        for values in ([1, 2], [3, 4], [5, 6]):
            typed = tensor(wire.DT_FLOAT, [1, 2], float_val=values)
            content = np.array(values, "<i8").tobytes()
            counts = tensor(wire.DT_INT64, [1, 2], tensor_content=content)
            asked = decode(predict_request(x=typed, n=counts), Model("x", "n"), codec)
            assert asked.inputs["x"].array.tolist() == [values]
            assert asked.inputs["n"].array.tolist() == [values]


def test_small_ints_in_their_field_are_never_taken_from_the_body():
    for values in ([1, 2], [3, 200], [3, 4]):
        message = predict_request(x=tensor(wire.DT_UINT8, [2], int_val=values))
        assert decode(message).inputs["x"].array.tolist() == values


def test_requests_alike_are_stacked():
    bodies = [
        predict_request(x=tensor(wire.DT_FLOAT, [1, 2], float_val=[n, n])).SerializeToString()
        for n in range(3)
    ]
    TYPED.decode(bodies[0], Model("x"))
    (stack,), others = TYPED.stack(bodies, range(3))
    assert others == []
    assert stack.arrays["x"].tolist() == [[0, 0], [1, 1], [2, 2]]


def test_names_that_the_signature_does_not_have():
    assert refusal(predict_request("other", x=FLOATS)) == (
        'Serving signature key "other" not found.',
        "FAILED_PRECONDITION",
    )
    assert refusal(predict_request(x=FLOATS), Model("x", "b")) == (
        "input size does not match signature: 1!=2 len({x}) != len({b,x}). Sent extra: {}. "
        "Missing but required: {b}.",
        "INVALID_ARGUMENT",
    )
    said, _ = refusal(predict_request(w=FLOATS))
    assert said == (
        "Signature input alias: x not found in request and no default value provided. "
        "Inputs expected to be in the set {x}."
    )
    assert refusal(predict_request(output_filter=["w"], x=FLOATS))[0] == (
        "output tensor alias not found in signature: w Outputs expected to be in the set {y,z}."
    )
    assert refusal(predict_request(output_filter=["y", "y"], x=FLOATS))[0] == (
        "duplicate output tensor alias: y"
    )


def test_what_a_request_leaves_out_is_its_default():
    model = Model("x", "b", b=Tensor(wire.DT_FLOAT, np.float32([7])))
    for codec in (TYPED, CONTENT):
        for value in (1, 2):  # the second is recognised as like the first
            x = tensor(wire.DT_FLOAT, [1], float_val=[value])
            asked = decode(predict_request(x=x), model, codec)
            found = {name: each.array.tolist() for name, each in asked.inputs.items()}
            assert found == {"x": [value], "b": [7]}
    own = tensor(wire.DT_FLOAT, [1], float_val=[3])
    assert decode(predict_request(x=FLOATS, b=own), model).inputs["b"].array.tolist() == [3]
    assert refusal(predict_request(), model)[0] == (
        "input size does not match signature: 0!=2 len({}) != len({b,x}). Sent extra: {}. "
        "Missing but required: {x}."
    )
    assert "alias: x not found in request" in refusal(predict_request(w=own), model)[0]


def test_a_model_without_signatures_takes_any_name():
    assert list(decode(predict_request(w=FLOATS), Model()).inputs) == ["w"]


def test_a_tensor_that_cannot_be_read():
    said, code = refusal(predict_request(x=tensor(wire.DT_FLOAT, [2], tensor_content=b"1234")))
    assert said.startswith("tensor parsing error: x")
    assert code == "INVALID_ARGUMENT"


def test_a_body_that_cannot_be_read():
    whole = predict_request(x=FLOATS).SerializeToString()
    for body in (whole[:-1], b"{}", b"\xff" * 20, whole + b"\x12"):
        for codec in (TYPED, CLASSIFY, REGRESS):
            with pytest.raises(CodecError):
                codec.decode(body, Model("x"))


def test_each_cut_of_a_body_is_refused_or_read():
    whole = predict_request("serving_default", ["y"], x=FLOATS).SerializeToString()
    for stop in range(len(whole)):
        with contextlib.suppress(CodecError):
            TYPED.decode(whole[:stop], Model("x"))


OUTPUTS = {
    dtype: np.array([[1, 0], [2, 3]]).astype(layout.storage)
    for dtype, layout in LAYOUTS.items()
    if dtype != wire.DT_STRING
}


@pytest.mark.parametrize("codec", [TYPED, CONTENT])
@pytest.mark.parametrize("dtype", sorted(OUTPUTS))
def test_answers_are_read_by_protobuf_and_by_the_reader(codec, dtype):
    array = OUTPUTS[dtype]
    answer = codec.encode({"y": Tensor(dtype, array)}, None)
    ((key, value),) = [(each.key, each.value) for each in parsed("PredictResponse", answer).outputs]
    assert (key, value.dtype) == ("y", dtype)
    assert [dim.size for dim in value.tensor_shape.dim] == [2, 2]
    assert bool(value.tensor_content) == (codec is CONTENT)
    request = new("PredictRequest", inputs=[new("InputsEntry", key="x", value=value)])
    assert decode(request).inputs["x"].array.tolist() == array.tolist()


def test_answers_as_protobuf_writes_them():
    for dtype, field in ((1, "float_val"), (9, "int64_val"), (10, "bool_val"), (17, "int_val")):
        array = np.array([1, 0, 1], LAYOUTS[dtype].storage)
        entry = new("InputsEntry", key="y", value=tensor(dtype, [3], **{field: array.tolist()}))
        wanted = new("PredictResponse", outputs=[entry]).SerializeToString()
        assert TYPED.encode({"y": Tensor(dtype, array)}, None) == wanted


@pytest.mark.parametrize("codec", [TYPED, CONTENT])
def test_strings(codec):
    strings = np.array([b"", b"a\x00", "\u00e9"], object)
    answer = codec.encode({"y": Tensor(wire.DT_STRING, strings)}, None)
    (entry,) = parsed("PredictResponse", answer).outputs
    request = new("PredictRequest", inputs=[new("InputsEntry", key="x", value=entry.value)])
    assert decode(request).inputs["x"].array.tolist() == [b"", b"a\x00", b"\xc3\xa9"]


def test_scalars_and_nothing():
    answer = TYPED.encode(
        {"y": Tensor(1, np.array(3, "<f4")), "z": Tensor(1, np.empty((0, 2), "<f4"))}, None
    )
    first, second = parsed("PredictResponse", answer).outputs
    assert first.value.HasField("tensor_shape")
    assert (list(first.value.tensor_shape.dim), list(first.value.float_val)) == ([], [3.0])
    assert [dim.size for dim in second.value.tensor_shape.dim] == [0, 2]


@pytest.mark.parametrize("codec", [TYPED, CONTENT])
def test_shares(codec):
    outputs = {
        "y": Tensor(wire.DT_FLOAT, np.arange(8, dtype="<f4").reshape(4, 2)),
        "z": Tensor(wire.DT_INT64, np.arange(4, dtype="<i8") * 300),
    }
    whole = {"y": outputs["y"]}
    for given in (outputs, whole):
        one, two = codec.encode_shares(given, 2, None)
        halves = [
            {name: Tensor(each.dtype, each.array[at : at + 2]) for name, each in given.items()}
            for at in (0, 2)
        ]
        assert [one, two] == [codec.encode(each, None) for each in halves]


def test_a_frontend_appends_the_model_spec():
    answer = TYPED.encode({"y": Tensor(1, np.zeros(1, "<f4"))}, None)
    spec = new("ModelSpec", name="m", version=new("Int64Value", value=7))
    whole = answer + new("PredictResponse", model_spec=spec).SerializeToString()
    assert parsed("PredictResponse", whole).model_spec.version.value == 7


def test_a_model_spec_is_decoded():
    spec = new("ModelSpec", name="m", version=new("Int64Value", value=3), signature_name="s")
    assert model_spec_of(spec) == ("m", 3, "", "s")
    spec = new("ModelSpec", name="m", version_label="canary")
    assert model_spec_of(spec) == ("m", None, "canary", "")
    assert model_spec_of(new("ModelSpec")) == ("", None, "", "")


def model_spec_of(message):
    body = message.SerializeToString()
    return read_model_spec(memoryview(body), [(0, len(body))])


def test_examples():
    rows = [example(a=[1.0]), example(a=[2.0])]
    message = new("ClassificationRequest", input=input_of(*rows))
    asked, form = CLASSIFY.decode(message.SerializeToString(), Model())
    assert form == 2
    assert asked.output_filter == ["classes", "scores"]
    assert [parsed("Example", each) for each in asked.inputs["inputs"].array] == rows


def test_the_context_is_part_of_each_example():
    message = new("RegressionRequest", input=input_of(example(a=[1.0]), context=example(b=[5])))
    asked, _ = REGRESS.decode(message.SerializeToString(), Model())
    (only,) = asked.inputs["inputs"].array
    found = {each.key for each in parsed("Example", only).features.feature}
    assert found == {"a", "b"}


def test_no_example_at_all():
    for message in (new("ClassificationRequest"), new("ClassificationRequest", input=input_of())):
        assert refusal(message, codec=CLASSIFY) == ("Input is empty.", "INVALID_ARGUMENT")


def test_classes_and_values():
    outputs = {
        "classes": Tensor(wire.DT_STRING, np.array([[b"cat", b"dog"]], object)),
        "scores": Tensor(wire.DT_FLOAT, np.array([[0.5, 0.0]], "<f4")),
    }
    answer = parsed("ClassificationResponse", CLASSIFY.encode(outputs, 1))
    (row,) = answer.result.classifications
    assert [(each.label, each.score) for each in row.classes] == [("cat", 0.5), ("dog", 0.0)]
    scores = {"scores": outputs["scores"]}
    (row,) = parsed("ClassificationResponse", CLASSIFY.encode(scores, 1)).result.classifications
    assert [(each.label, each.score) for each in row.classes] == [("", 0.5), ("", 0.0)]
    values = {"outputs": Tensor(wire.DT_FLOAT, np.array([[2.5], [0]], "<f4"))}
    answer = parsed("RegressionResponse", REGRESS.encode(values, 2))
    assert [each.value for each in answer.result.regressions] == [2.5, 0.0]
    with pytest.raises(CodecError, match="to have a shape of"):
        REGRESS.encode(values, 3)
