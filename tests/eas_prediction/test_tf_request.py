from __future__ import annotations

import numpy as np
import pytest

import eas_wire as wire
from eas_prediction import TFRequest, TFResponse
from eas_prediction.exception import BadResponse, InvalidRequest, UnknownOutput
from eas_prediction.testing import tf_answer
from eas_prediction.tf_request_pb2 import DT_FLOAT, DT_INT32, PredictRequest, PredictResponse


def documented_request() -> TFRequest:
    request = TFRequest("predict_images")
    request.add_feed("images", [1, 4], TFRequest.DT_FLOAT, [1.0, 2.0, 3.0, 4.0])
    request.add_fetch("scores")
    return request


def documented_message():
    message = PredictRequest(signature_name="predict_images", output_filter=["scores"])
    message.inputs["images"].dtype = DT_FLOAT
    message.inputs["images"].array_shape.dim.extend([1, 4])
    message.inputs["images"].float_val.extend([1.0, 2.0, 3.0, 4.0])
    return message


def parsed(request: TFRequest):
    return PredictRequest.FromString(request.to_string())


class TestRequest:
    def test_encodes_the_documented_message(self):
        assert documented_request().to_string() == documented_message().SerializeToString()

    def test_an_empty_request_is_an_empty_body(self):
        assert TFRequest().to_string() == b""

    def test_the_signature_name_is_optional_and_can_change(self):
        request = documented_request()
        request.to_string()
        request.set_signature_name("other")
        assert (request.signature_name, parsed(request).signature_name) == ("other", "other")
        request.signature_name = None
        assert (request.signature_name, parsed(request).signature_name) == ("", "")

    def test_feeding_a_name_again_replaces_it(self):
        request = documented_request()
        request.to_string()
        request.add_feed("images", [2], TFRequest.DT_INT32, [5, 6])
        array = parsed(request).inputs["images"]
        assert (array.dtype, list(array.array_shape.dim), list(array.int_val)) == (
            DT_INT32,
            [2],
            [5, 6],
        )
        assert not array.float_val

    def test_fetching_a_name_again_changes_nothing(self):
        request = documented_request()
        request.add_fetch("scores")
        request.add_fetch("classes")
        assert list(parsed(request).output_filter) == ["scores", "classes"]

    def test_bytes_are_kept_until_something_changes(self):
        request = documented_request()
        before = request.to_string()
        assert request.to_string() is before
        request.add_fetch("classes")
        assert request.to_string() != before

    def test_a_wrong_feed_leaves_the_request_as_it_was(self):
        request = documented_request()
        before = request.to_string()
        with pytest.raises(InvalidRequest):
            request.add_feed("images", [1, 4], TFRequest.DT_FLOAT, [1.0])
        assert request.to_string() == before

    def test_a_name_that_cannot_be_encoded(self):
        request = TFRequest()
        request.add_feed("\ud800", [1], TFRequest.DT_FLOAT, [1.0])
        with pytest.raises(InvalidRequest, match="not valid Unicode"):
            request.to_string()

    def test_text(self):
        assert str(documented_request()) == str(documented_message())

    def test_documented_bool(self):
        assert TFRequest.TF_BOOL == TFRequest.DT_BOOL

    def test_response(self):
        response = documented_request().parse_response(tf_answer({"a": [1]}))
        assert isinstance(response, TFResponse)


class TestMessageOfARequest:
    def test_says_what_was_fed(self):
        assert documented_request().request_data == documented_message()

    def test_what_is_changed_there_is_sent(self):
        request = documented_request()
        request.to_string()
        request.request_data.inputs["images"].float_val[0] = 9.0
        assert parsed(request).inputs["images"].float_val[0] == 9.0

    def test_a_saved_request_can_be_read_into_it(self):
        request = TFRequest("other")
        request.request_data.ParseFromString(documented_message().SerializeToString())
        assert request.signature_name == "predict_images"
        assert parsed(request) == documented_message()

    def test_the_other_methods_still_work(self):
        request = TFRequest()
        assert request.request_data == PredictRequest()
        request.set_signature_name("predict_images")
        request.add_feed("images", [2], TFRequest.DT_STRING, ["a", "b"])
        request.add_feed("images", [1, 4], TFRequest.DT_FLOAT, [1.0, 2.0, 3.0, 4.0])
        request.add_fetch("scores")
        request.add_fetch("scores")
        assert request.request_data == documented_message()
        assert request.to_string() == documented_message().SerializeToString()


OUTPUTS = {
    "scores": np.array([[0.25, 0.75]], np.float32),
    "half": np.array([0.5], np.float16),
    "double": np.array(0.1),
    "small": np.array([1, 2], np.uint8),
    "big": np.array([[-(2**63)]]),
    "yes": np.array([True, False]),
    "wave": np.array([1 + 2j], np.complex64),
    "words": np.array([b"a\0", "ü"], object),
}
VALUES = {
    "scores": ([1, 2], [0.25, 0.75]),
    "half": ([1], [0.5]),
    "double": ([], [0.1]),
    "small": ([2], [1, 2]),
    "big": ([1, 1], [-(2**63)]),
    "yes": ([2], [True, False]),
    "wave": ([1], [1 + 2j]),
    "words": ([2], [b"a\0", "ü".encode()]),
}


EVERY_DTYPE = {
    "DT_FLOAT": [1.5, -2.0],
    "DT_DOUBLE": [0.1, -1e300],
    "DT_HALF": [0.5, -2.0],
    "DT_BFLOAT16": [0.5, -2.0],
    "DT_COMPLEX64": [1 + 2j, -0.5j],
    "DT_COMPLEX128": [0.1 + 2j, -0.5j],
    "DT_INT8": [-128, 127],
    "DT_INT16": [-(2**15), 2**15 - 1],
    "DT_INT32": [-(2**31), 2**31 - 1],
    "DT_INT64": [-(2**63), 2**63 - 1],
    "DT_UINT8": [0, 255],
    "DT_UINT16": [0, 65535],
    "DT_QINT8": [-128, 127],
    "DT_QINT16": [-(2**15), 2**15 - 1],
    "DT_QINT32": [-(2**31), 2**31 - 1],
    "DT_QUINT8": [0, 255],
    "DT_QUINT16": [0, 65535],
    "DT_BOOL": [True, False],
    "DT_STRING": [b"\xff\0", "ü".encode()],
}


def there_and_back(request: TFRequest) -> TFResponse:
    """The inputs of `request` as the outputs of an answer, read by protobuf on the way."""
    message = PredictResponse()
    for name, array in parsed(request).inputs.items():
        message.outputs[name].CopyFrom(array)
    return TFResponse(message.SerializeToString())


class TestEveryDtypeBothWays:
    def test_none_is_left_out(self):
        constants = {name for name in vars(TFRequest) if name.startswith("DT_")}
        assert constants == set(EVERY_DTYPE)

    @pytest.mark.parametrize("shape", [[2], [1, 2], [2, 1, 1]])
    @pytest.mark.parametrize("name", EVERY_DTYPE)
    def test_values_come_back(self, name, shape):
        request = TFRequest()
        request.add_feed("x", shape, getattr(TFRequest, name), EVERY_DTYPE[name])
        response = there_and_back(request)
        assert response.get_values("x") == EVERY_DTYPE[name]
        assert response.get_tensor_shape("x") == shape
        assert response.numpy("x").ravel().tolist() == EVERY_DTYPE[name]

    @pytest.mark.parametrize("name", EVERY_DTYPE)
    def test_no_dimensions_and_no_values(self, name):
        request = TFRequest()
        dtype = getattr(TFRequest, name)
        request.add_feed("scalar", [], dtype, EVERY_DTYPE[name][0])
        request.add_feed("empty", [3, 0], dtype, [])
        response = there_and_back(request)
        assert response.get_values("scalar") == EVERY_DTYPE[name][:1]
        assert response.numpy("scalar").shape == ()
        assert (response.get_values("empty"), response.numpy("empty").shape) == ([], (3, 0))

    @pytest.mark.parametrize("name", sorted(set(EVERY_DTYPE) - {"DT_STRING", "DT_BFLOAT16"}))
    def test_arrays_of_any_layout(self, name):
        dtype = getattr(TFRequest, name)
        plain = np.array(EVERY_DTYPE[name] * 6, wire.storage_dtype(dtype)).reshape(3, 4)
        request = TFRequest()
        for layout, array in {
            "plain": plain,
            "big-endian": plain.astype(plain.dtype.newbyteorder(">")),
            "columns first": np.asfortranarray(plain),
            "transposed twice": plain.T.copy().T,
            "view": np.repeat(plain, 2, axis=1)[:, ::2],
            "backwards": plain[::-1].copy()[::-1],
            "read-only": np.frombuffer(plain.tobytes(), plain.dtype).reshape(3, 4),
        }.items():
            request.add_feed(layout, array.shape, dtype, array)
        for layout, array in there_and_back(request).to_dict().items():
            assert array.tolist() == plain.tolist(), layout


class TestResponse:
    @pytest.mark.parametrize("name", sorted(VALUES))
    def test_shape_and_values(self, name):
        response = TFResponse(tf_answer(OUTPUTS))
        assert (response.get_tensor_shape(name), response.get_values(name)) == VALUES[name]
        if name != "words":
            assert response.numpy(name).dtype == OUTPUTS[name].dtype
            np.testing.assert_array_equal(response.numpy(name), OUTPUTS[name])

    def test_to_dict(self):
        arrays = TFResponse(tf_answer(OUTPUTS)).to_dict()
        assert {name: array.shape for name, array in arrays.items()} == {
            name: array.shape for name, array in OUTPUTS.items()
        }

    def test_message_and_text(self):
        data = tf_answer({"scores": np.ones([1, 2], np.float32)})
        response = TFResponse(data)
        assert response.response == PredictResponse.FromString(data)
        assert response.to_string() == str(response) == str(PredictResponse.FromString(data))
        assert "float_val: 1" in str(response)

    def test_an_unknown_output_lists_the_known(self):
        response = TFResponse(tf_answer({"b": [1], "a": [1]}))
        with pytest.raises(UnknownOutput, match=r"no output 'score' .*it has 'a', 'b'"):
            response.get_values("score")
        with pytest.raises(UnknownOutput, match="it has none"):
            TFResponse(b"").numpy("score")

    @pytest.mark.parametrize("read", [str, TFResponse.to_dict, lambda r: r.get_values("x")])
    def test_an_answer_of_another_kind(self, read):
        with pytest.raises(BadResponse, match="PredictResponse"):
            read(TFResponse(b'{"signature_name": "predict_images"}'))
