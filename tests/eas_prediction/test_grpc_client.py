from __future__ import annotations

import socket
import sys
import threading
import time

import numpy as np
import pytest
from fixtures import need

grpc = need.module("grpc")

from fixtures.certificates import make_pair  # noqa: E402
from fixtures.grpc_model import GrpcModel  # noqa: E402 - it needs grpcio
from fixtures.serving_messages import new, tensor  # noqa: E402

import eas_wire as wire  # noqa: E402
from eas_prediction import (  # noqa: E402
    BadResponse,
    GrpcClient,
    InvalidRequest,
    Overloaded,
    PredictException,
    Refused,
    RetryPolicy,
    ServiceFailed,
    TimedOut,
    Unauthorized,
)

FLOATS = {"x": (wire.DT_FLOAT, [-1, 2])}
QUICK = RetryPolicy(backoff=0.01, statuses={503})


@pytest.fixture
def model():
    model = GrpcModel()
    yield model
    model.close()


@pytest.fixture
def client(model):
    with GrpcClient(model.target, "m", retry_policy=QUICK) as client:
        yield client


class TestArrays:
    @pytest.mark.parametrize(
        "values",
        [
            np.array([[1.5, -2.0]], np.float32),
            np.array([1e300]),
            np.array([1.5, 65504], np.float16),
            np.array([True, False]),
            np.array([1 + 2j], np.complex64),
            np.array([1 - 2j], np.complex128),
            np.array([2**32 - 1], np.uint32),
            np.array([2**64 - 1], np.uint64),
            np.array([-(2**63)]),
            np.array([[0], [255]], np.uint8),
            np.array([-128], np.int8),
            np.array([-(2**15)], np.int16),
            np.array([2**16 - 1], np.uint16),
            np.array([-(2**31)], np.int32),
            np.array(3.0, np.float32),
            np.empty((0, 3), np.float32),
            np.array([b"a\0", "\xe9".encode()], object),
            np.arange(6, dtype=np.float32).reshape(2, 3).T,
            np.arange(3, dtype=">i4"),
        ],
        ids=lambda values: f"{values.dtype}{list(values.shape)}",
    )
    def test_come_back_as_they_were_sent(self, client, values):
        got = client.predict({"x": values})["x"]
        assert got.dtype == values.dtype.newbyteorder("=")
        np.testing.assert_array_equal(got, values)

    @pytest.mark.skipif(sys.version_info < (3, 9), reason="ml_dtypes needs Python 3.9")
    def test_bfloat16_is_sent_as_such(self, client, model):
        ml_dtypes = need.module("ml_dtypes")
        got = client.predict({"x": np.array([1.5, -2.0], ml_dtypes.bfloat16)})["x"]
        assert got.tolist() == [1.5, -2.0]
        assert model.received[0].request.inputs[0].value.dtype == wire.DT_BFLOAT16

    @pytest.mark.parametrize(
        ("values", "dtype"),
        [
            ([1.0, 2.5], wire.DT_FLOAT),
            (2, wire.DT_INT32),
            ([2**40], wire.DT_INT64),
            ([True], wire.DT_BOOL),
            (["a", "bc"], wire.DT_STRING),
            (b"a", wire.DT_STRING),
            ([1j], wire.DT_COMPLEX128),
        ],
    )
    def test_lists_and_numbers_get_the_dtype_that_tensorflow_gives_them(
        self, client, model, values, dtype
    ):
        client.predict({"x": values})
        assert model.received[0].request.inputs[0].value.dtype == dtype

    def test_become_what_the_signature_says(self, client, model):
        model.signatures["serving_default"] = (FLOATS, FLOATS)
        got = client.predict({"x": [[1, 2]]})["x"]
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, [[1, 2]])
        assert client.predict({"x": np.ones((1, 2))})["x"].dtype == np.float32
        assert len(model.asked_for_metadata) == 1

    def test_what_is_no_array_is_refused(self, client):
        with pytest.raises(InvalidRequest, match="input 'x'"):
            client.predict({"x": [[1], [2, 3]]})
        with pytest.raises(InvalidRequest, match=r"input 'x'.*datetime64"):
            client.predict({"x": np.array(["2020-01-01"], "datetime64[s]")})
        with pytest.raises(InvalidRequest, match="a dict of arrays by input name, got ndarray"):
            client.predict(np.zeros(3))
        with pytest.raises(InvalidRequest, match="input name: expected a non-empty str"):
            client.predict({"": 1.0})

    @pytest.mark.medium
    def test_64_mb_pass_both_ways(self, client):
        values = np.arange(16 << 20, dtype=np.float32)
        np.testing.assert_array_equal(client.predict({"x": values}, timeout=60_000)["x"], values)


class TestModelSpec:
    def test_name_alone(self, client, model):
        client.predict({"x": 1.0})
        spec = model.received[0].request.model_spec
        assert (spec.name, spec.signature_name, spec.version_label) == ("m", "", "")
        assert not spec.HasField("version")

    @pytest.mark.parametrize("version", [0, 7, 2**63 - 1])
    def test_a_version(self, client, model, version):
        client.predict({"x": 1.0}, version=version, signature_name="other")
        spec = model.received[0].request.model_spec
        assert spec.HasField("version")
        assert (spec.version.value, spec.signature_name) == (version, "other")
        assert model.asked_for_metadata[0].model_spec.version.value == version

    def test_a_label_and_outputs(self, client, model):
        outputs = client.predict({"x": 1.0, "y": 2.0}, version_label="canary", outputs=["y"])
        assert list(outputs) == ["y"]
        assert model.received[0].request.model_spec.version_label == "canary"

    def test_one_that_is_wrong_is_not_sent(self, client, model):
        with pytest.raises(InvalidRequest, match="expected only one of them"):
            client.predict({"x": 1.0}, version=1, version_label="canary")
        with pytest.raises(InvalidRequest, match="version: expected 0 or more, got -1"):
            client.predict({"x": 1.0}, version=-1)
        with pytest.raises(InvalidRequest, match="outputs: expected names"):
            client.predict({"x": 1.0}, outputs="y")
        assert model.received == []


class TestSignature:
    def test_says_inputs_and_outputs(self, client, model):
        model.signatures["serving_default"] = (
            {"x": (wire.DT_FLOAT, [-1, 2]), "any": (wire.DT_STRING, None)},
            {"y": (22, [])},
        )
        signature = client.signature()
        assert signature.name == "serving_default"
        assert str(signature.inputs["x"]) == "DT_FLOAT [-1, 2]"
        assert signature.inputs["any"].shape is None
        assert signature.outputs["y"] == ("y", "DT_UINT32", ())
        with pytest.raises(InvalidRequest, match="no signature 'no'; the model has 'serving_defau"):
            client.signature("no")

    def test_is_asked_for_again_when_values_do_not_fit_it(self, client, model):
        model.signatures["serving_default"] = (FLOATS, FLOATS)
        client.predict({"x": [[1, 2]]})
        model.signatures["serving_default"] = ({"x": (wire.DT_STRING, [-1])}, {})
        assert client.predict({"x": ["a"]})["x"].tolist() == [b"a"]

    def test_is_asked_for_again_after_the_service_refused_a_request(self, client, model):
        model.signatures["serving_default"] = (FLOATS, FLOATS)
        client.predict({"x": [1]})
        model.signatures["serving_default"] = ({"x": (wire.DT_INT64, [-1])}, {})
        model.failures = [(grpc.StatusCode.INVALID_ARGUMENT, "expected int64")]
        with pytest.raises(Refused):
            client.predict({"x": [1]})
        assert client.predict({"x": [1]})["x"].dtype == np.int64

    def test_is_done_without_where_the_service_has_none(self, client, model):
        model.metadata_failure = (grpc.StatusCode.UNIMPLEMENTED, "no metadata here")
        assert client.predict({"x": 1.0})["x"] == 1.0
        assert client.predict({"x": 2.0})["x"] == 2.0
        assert len(model.asked_for_metadata) == 1
        model.metadata_failure = (grpc.StatusCode.NOT_FOUND, "no model 'm'")
        with pytest.raises(Refused, match="no model 'm'"):
            client.predict({"x": 1.0}, version=3)


class TestFailures:
    @pytest.mark.parametrize(
        ("status", "kind", "code"),
        [
            ("INVALID_ARGUMENT", Refused, 400),
            ("NOT_FOUND", Refused, 404),
            ("FAILED_PRECONDITION", Refused, 400),
            ("UNIMPLEMENTED", Refused, 404),
            ("UNAUTHENTICATED", Unauthorized, 401),
            ("PERMISSION_DENIED", Unauthorized, 403),
            ("DEADLINE_EXCEEDED", TimedOut, 408),
            ("RESOURCE_EXHAUSTED", Overloaded, 429),
            ("INTERNAL", ServiceFailed, 500),
            ("UNKNOWN", ServiceFailed, 500),
        ],
    )
    def test_are_the_errors_of_the_other_clients_and_sent_once(
        self, client, model, status, kind, code
    ):
        model.failures = [(grpc.StatusCode[status], "the reason")]
        with pytest.raises(PredictException) as raised:
            client.predict({"x": 1.0})
        failure = raised.value
        assert type(failure) is kind
        assert (failure.code, failure.status, failure.grpc_status) == (code, code, status)
        assert failure.message == "the reason"
        assert len(model.received) == 1

    def test_unavailable_is_tried_again(self, client, model):
        model.failures = [(grpc.StatusCode.UNAVAILABLE, "queue full")] * 3
        assert client.predict({"x": 1.0})["x"] == 1.0
        assert len(model.received) == 4

    def test_no_more_often_than_the_policy_says(self, model):
        model.failures = [(grpc.StatusCode.UNAVAILABLE, "queue full")] * 9
        policy = RetryPolicy(attempts=2, backoff=0)
        client = GrpcClient(model.target, "m", retry_policy=policy)
        with client, pytest.raises(ServiceFailed, match="Code: 503, Message: queue full"):
            client.predict({"x": 1.0})
        assert len(model.received) == 2

    def test_the_timeout_bounds_all_attempts(self, model):
        model.failures = [(grpc.StatusCode.UNAVAILABLE, "not yet")] * 100
        policy = RetryPolicy(attempts=1000, backoff=0.02, max_backoff=0.02)
        with GrpcClient(model.target, "m", retry_policy=policy, timeout=300) as client:
            begun = time.monotonic()
            with pytest.raises((ServiceFailed, TimedOut)):
                client.predict({"x": 1.0})
        assert time.monotonic() - begun < 10
        assert 1 < len(model.received) < 100
        assert all(each.seconds <= 0.31 for each in model.received)

    def test_a_slow_answer_is_timed_out(self, client, model):
        client.predict({"x": 1.0})
        go_on = threading.Event()
        model.answer = lambda request: go_on.wait(10) and new("PredictResponse")
        with pytest.raises(TimedOut) as raised:
            client.predict({"x": 1.0}, timeout=100)
        go_on.set()
        assert raised.value.grpc_status == "DEADLINE_EXCEEDED"

    def test_nobody_listens(self):
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            target = f"127.0.0.1:{bound.getsockname()[1]}"
            policy = RetryPolicy(attempts=2, backoff=0.01)
            client = GrpcClient(target, "m", retry_policy=policy)
            with client, pytest.raises(ServiceFailed) as raised:
                client.predict({"x": 1.0})
        assert raised.value.grpc_status == "UNAVAILABLE"

    def test_a_server_that_comes_back_is_called_again(self):
        first = GrpcModel()
        policy = RetryPolicy(attempts=1000, backoff=0.05, max_backoff=0.1, statuses={503})
        with GrpcClient(first.target, "m", retry_policy=policy, timeout=20_000) as client:
            client.predict({"x": 1.0})
            first.close()
            again = threading.Timer(0.3, lambda: second.append(GrpcModel(port=first.port)))
            second = []
            again.start()
            assert client.predict({"x": 2.0})["x"] == 2.0
            second[0].close()

    def test_an_answer_that_cannot_be_read(self, client, model):
        half = tensor(wire.DT_FLOAT, [2], tensor_content=b"abc")
        entry = new("InputsEntry", key="y", value=half)
        model.answer = lambda request: new("PredictResponse", outputs=[entry])
        with pytest.raises(BadResponse, match="output 'y': tensor_content has 3 bytes, expected 8"):
            client.predict({"x": 1.0})


class TestSettings:
    def test_token_and_headers_are_metadata(self, model):
        with GrpcClient(model.target, "m", token="s3cret\n", headers={"X-Mine": "1"}) as client:
            client.predict({"x": 1.0}, headers={"X-Call": b"2", "X-Bin": b"\0"})
        metadata = model.received[0].metadata
        assert metadata["authorization"] == "s3cret"
        assert (metadata["x-mine"], metadata["x-call"]) == ("1", "2")
        assert metadata["x-bin"] == b"\0"

    def test_the_timeout_is_the_deadline_of_the_call(self, client, model):
        client.predict({"x": 1.0}, timeout=2000)
        assert 1 < model.received[0].seconds <= 2.1
        client.predict({"x": 1.0})
        assert 4 < model.received[1].seconds <= 5.1

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"endpoint": ""}, "endpoint: expected an address such as 'host:8500'"),
            ({"endpoint": "http://h:1/v1"}, "endpoint: expected HOST:PORT without a path"),
            ({"timeout": 0}, "timeout: expected milliseconds"),
            ({"token": b"a"}, "token: expected a str, got bytes"),
            ({"retry_policy": 3}, "retry policy: expected a RetryPolicy"),
            ({"headers": {"two words": "1"}}, "headers: expected names of ASCII letters"),
            ({"headers": {"x": "\u00e9"}}, "headers: expected printable ASCII for 'x'"),
            ({"headers": {"x": b"a\n"}}, "headers: expected printable ASCII for 'x'"),
            ({"headers": {"x-bin": "1"}}, "headers: expected bytes for 'x-bin', got str"),
        ],
    )
    def test_wrong_ones_are_refused(self, settings, said):
        with pytest.raises(InvalidRequest, match=said):
            GrpcClient(**{"endpoint": "h:1", "service_name": "m", **settings})

    @pytest.mark.parametrize("scheme", ["grpc://", "http://"])
    def test_a_scheme_may_stand_before_the_address(self, model, scheme):
        with GrpcClient(scheme + model.target, "m") as client:
            assert client.predict({"x": 1.0})["x"] == 1.0

    def test_tls_with_a_certificate_that_the_caller_trusts(self, tmp_path):
        need.path_of("openssl")
        pair = make_pair(tmp_path, "server")
        certificate = pair.cert.read_bytes()
        key = grpc.ssl_server_credentials([(pair.key.read_bytes(), certificate)])
        model = GrpcModel(key)
        trusting = grpc.ssl_channel_credentials(certificate)
        with GrpcClient(model.target, "m", credentials=trusting, token="s3cret") as client:
            assert client.predict({"x": 1.0})["x"] == 1.0
        policy = RetryPolicy(attempts=1)
        client = GrpcClient(f"https://{model.target}", "m", retry_policy=policy)
        with client, pytest.raises(ServiceFailed, match=r"(?i)certificate|handshake|ssl"):
            client.predict({"x": 1.0})
        model.close()

    def test_options_are_channel_arguments(self, model):
        options = [("grpc.max_receive_message_length", 100)]
        client = GrpcClient(model.target, "m", options=options)
        with client, pytest.raises(Overloaded, match="larger than max"):
            client.predict({"x": np.zeros(100)})

    def test_a_closed_client_opens_anew(self, client):
        client.predict({"x": 1.0})
        client.close()
        assert client.predict({"x": 1.0})["x"] == 1.0

    def test_without_grpcio_it_says_what_to_install(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "grpc", None)
        with pytest.raises(ModuleNotFoundError, match="pip install grpcio"):
            GrpcClient("h:1", "m")


def test_threads_share_a_client(client):
    requests = [{"x": float(each)} for each in range(40)]
    outputs = client.predict_many(requests, concurrency=8)
    assert [each["x"].tolist() for each in outputs] == [float(each) for each in range(40)]
