"""Encoded requests are the bytes that protobuf's own classes write."""

import numpy as np
from fixtures.serving_messages import parsed, predict_request, tensor

import eas_wire as wire
from eas_processor.codecs.tensor_proto.requests import from_array_proto, write_predict_request

ARRAY = np.array([[1.5, 2.5]], "<f4")
REQUEST = wire.Request("s", {"x": wire.Tensor(wire.DT_FLOAT, ARRAY)}, ["y"])


def test_a_request_is_written_as_protobuf_does():
    wanted = predict_request("s", ["y"], "m", x=tensor(1, [1, 2], float_val=[1.5, 2.5]))
    assert write_predict_request(REQUEST, "m") == wanted.SerializeToString()
    assert from_array_proto(wire.encode_request(REQUEST), "m") == wanted.SerializeToString()


def test_values_as_bytes():
    written = parsed("PredictRequest", write_predict_request(REQUEST, as_content=True))
    assert written.inputs[0].value.tensor_content == ARRAY.tobytes()
