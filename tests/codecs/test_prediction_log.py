"""`PredictionLog`s that protobuf's own classes write."""

import pytest
from fixtures.serving_messages import example, input_of, new, parsed, predict_request, tensor

from eas_processor.codecs.errors import CodecError
from eas_processor.codecs.prediction_log import read_prediction_log, write_prediction_log
from eas_processor.link.frames import CLASSIFY_PROTO, REGRESS_PROTO, TENSOR_PROTO

PREDICT = predict_request("serving_default", x=tensor(1, [1], float_val=[2]))
INPUT = input_of(example(x=[1.0]), context=example(y=[2.0]))
CLASSIFY = new("ClassificationRequest", model_spec=new("ModelSpec", name="m"), input=INPUT)
REGRESS = new("RegressionRequest", model_spec=new("ModelSpec", name="m"), input=INPUT)


def read(**given):
    return read_prediction_log(new("PredictionLog", **given).SerializeToString())


def refusal(**given):
    with pytest.raises(CodecError) as caught:
        read(**given)
    return str(caught.value), caught.value.code


def task(signature_name, method, model="m"):
    spec = new("ModelSpec", name=model, signature_name=signature_name)
    return new("InferenceTask", model_spec=spec, method_name="tensorflow/serving/" + method)


def several(*tasks):
    request = new("MultiInferenceRequest", tasks=tasks, input=INPUT)
    return {"multi_inference_log": new("MultiInferenceLog", request=request)}


def test_one_request():
    metadata = new("LogMetadata", timestamp_secs=1)
    response = new("PredictResponse")
    log = new("PredictLog", request=PREDICT, response=response)
    assert read(log_metadata=metadata, predict_log=log) == [
        (TENSOR_PROTO, PREDICT.SerializeToString())
    ]
    assert read(classify_log=new("ClassifyLog", request=CLASSIFY)) == [
        (CLASSIFY_PROTO, CLASSIFY.SerializeToString())
    ]
    assert read(regress_log=new("RegressLog", request=REGRESS)) == [
        (REGRESS_PROTO, REGRESS.SerializeToString())
    ]


def test_each_task_of_a_multi_inference():
    first, second = read(**several(task("c", "classify"), task("r", "regress")))
    assert (first.codec, second.codec) == (CLASSIFY_PROTO, REGRESS_PROTO)
    one = parsed("ClassificationRequest", first.body)
    two = parsed("RegressionRequest", second.body)
    assert (one.model_spec.signature_name, two.model_spec.signature_name) == ("c", "r")
    assert one.input == two.input == INPUT


def test_tasks_that_do_not_go_together():
    assert refusal(**several(task("c", "classify"), task("c", "regress"))) == (
        "Duplicate evaluation of signature: c",
        "INVALID_ARGUMENT",
    )
    assert refusal(**several(task("c", "classify"), task("r", "regress", "other"))) == (
        "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
        "INVALID_ARGUMENT",
    )
    assert refusal(**several(task("c", "predict"))) == (
        "Unsupported signature method_name: tensorflow/serving/predict",
        "UNIMPLEMENTED",
    )


def test_logs_of_what_is_not_served():
    for number, name in ((5, "session_run_log"), (7, "predict_streamed_log")):
        assert refusal(**{name: new("SessionRunLog", request=b"x")}) == (
            "Unsupported log_type for warmup: %d" % number,
            "UNIMPLEMENTED",
        )


def test_a_log_of_nothing():
    assert read() == []
    assert read(log_metadata=new("LogMetadata", timestamp_secs=1)) == []


def test_what_is_no_log():
    with pytest.raises(CodecError, match="record of 2 bytes is not a PredictionLog"):
        read_prediction_log(b"{}")


def test_a_log_is_written_as_protobuf_does():
    body = PREDICT.SerializeToString()
    answer = new("PredictResponse", model_spec=new("ModelSpec", name="m"))
    metadata = new("LogMetadata", timestamp_secs=1)
    log = new("PredictLog", request=PREDICT, response=answer)
    wanted = new("PredictionLog", log_metadata=metadata, predict_log=log)
    written = write_prediction_log(
        TENSOR_PROTO, body, answer.SerializeToString(), metadata.SerializeToString()
    )
    assert parsed("PredictionLog", written) == wanted
    assert write_prediction_log(REGRESS_PROTO, REGRESS.SerializeToString()) == (
        new("PredictionLog", regress_log=new("RegressLog", request=REGRESS)).SerializeToString()
    )
