"""`MultiInference`: the tasks that a request may combine, and one result for each task."""

import numpy as np
import pytest
from fixtures.serving_messages import example, input_of, new, parsed

import eas_wire as wire
from eas_processor.codecs.codec import Target
from eas_processor.codecs.errors import CodecError
from eas_processor.codecs.registry import find
from eas_processor.link.frames import MULTI_INFERENCE
from eas_wire import Tensor

CODEC = find(MULTI_INFERENCE)
INPUT = input_of(example(x=[1.0]), example(x=[2.0]))


class Model(Target):
    """A model with three heads; the third has another input."""

    def example_tensors(self, signature_name, method):
        if method == "classify":
            return "tf_example:0", {"scores": "y:0"}
        return ("other:0" if signature_name == "odd" else "tf_example:0"), {"outputs": "y:0"}


def task(signature_name, method, model="m"):
    spec = new("ModelSpec", name=model, signature_name=signature_name)
    return new("InferenceTask", model_spec=spec, method_name="tensorflow/serving/" + method)


def decode(*tasks, given=INPUT):
    request = new("MultiInferenceRequest", tasks=tasks, input=given)
    return CODEC.decode(request.SerializeToString(), Model())


def refusal(*tasks, **options):
    with pytest.raises(CodecError) as caught:
        decode(*tasks, **options)
    return str(caught.value), caught.value.code


def test_one_run_for_all_heads():
    asked, form = decode(task("c", "classify"), task("r", "regress"))
    assert asked.output_filter == ["y:0"]
    assert len(asked.inputs["inputs"].array) == 2
    y = Tensor(wire.DT_FLOAT, np.array([[0.5], [2.0]], "<f4"))
    first, second = parsed("MultiInferenceResponse", CODEC.encode({"y:0": y}, form)).results
    assert (first.model_spec.name, first.model_spec.signature_name) == ("m", "c")
    found = first.classification_result.classifications
    assert [each.classes[0].score for each in found] == [0.5, 2.0]
    assert second.model_spec.signature_name == "r"
    assert [each.value for each in second.regression_result.regressions] == [0.5, 2.0]


def test_tasks_that_do_not_go_together():
    invalid = "INVALID_ARGUMENT"
    for tasks, said, code in (
        ([], "MultiInferenceRequest has no tasks.", invalid),
        ([task("c", "classify", "")], "Found ModelSpec with an empty model name.", invalid),
        (
            [task("", "classify"), task("serving_default", "regress")],
            "Duplicate evaluation of signature: serving_default",
            invalid,
        ),
        (
            [task("c", "classify"), task("r", "regress", "other")],
            "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
            invalid,
        ),
        (
            [task("c", "classify"), task("odd", "regress")],
            "Input tensor must be the same for all Signatures.",
            invalid,
        ),
        (
            [task("c", "predict")],
            "Unsupported signature method_name: tensorflow/serving/predict",
            "UNIMPLEMENTED",
        ),
    ):
        assert refusal(*tasks) == (said, code)
    assert refusal(task("c", "classify"), given=None)[0] == "Input is empty."


def test_what_is_no_request():
    with pytest.raises(CodecError, match="is not a MultiInferenceRequest"):
        CODEC.decode(b"\x0a", Model())
    with pytest.raises(CodecError, match="this processor does not answer several"):
        request = new("MultiInferenceRequest", tasks=[task("c", "classify")], input=INPUT)
        CODEC.decode(request.SerializeToString(), Target())
