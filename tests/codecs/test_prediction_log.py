"""`PredictionLog`s that protobuf's own classes wrote are read."""

import pytest
from fixtures.serving_messages import example, input_of, new, parsed, predict_request, tensor

from eas_processor.codecs.errors import CodecError
from eas_processor.codecs.prediction_log import read_prediction_log, write_prediction_log
from eas_processor.link.frames import CLASSIFY_PROTO, MULTI_INFERENCE, REGRESS_PROTO, TENSOR_PROTO

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


def test_one_request():
    metadata = new("LogMetadata", timestamp_secs=1)
    response = new("PredictResponse")
    log = new("PredictLog", request=PREDICT, response=response)
    assert read(log_metadata=metadata, predict_log=log) == (
        TENSOR_PROTO,
        PREDICT.SerializeToString(),
    )
    assert read(classify_log=new("ClassifyLog", request=CLASSIFY)) == (
        CLASSIFY_PROTO,
        CLASSIFY.SerializeToString(),
    )
    assert read(regress_log=new("RegressLog", request=REGRESS)) == (
        REGRESS_PROTO,
        REGRESS.SerializeToString(),
    )


def test_a_multi_inference():
    body = new("MultiInferenceRequest", input=INPUT).SerializeToString()
    log = new("MultiInferenceLog", request=parsed("MultiInferenceRequest", body))
    assert read(multi_inference_log=log) == (MULTI_INFERENCE, body)


def test_logs_of_what_is_not_served():
    for number, name in ((5, "session_run_log"), (7, "predict_streamed_log")):
        assert refusal(**{name: new("SessionRunLog", request=b"x")}) == (
            "Unsupported log_type for warmup: %d" % number,
            "UNIMPLEMENTED",
        )


def test_a_log_of_nothing():
    assert read() is None
    assert read(log_metadata=new("LogMetadata", timestamp_secs=1)) is None


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
