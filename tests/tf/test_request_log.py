"""Logged requests and answers of every encoding, as protobuf's own classes read them."""

import io
import json
import os
import threading
import time

import pytest
from fixtures import need
from fixtures.serving_messages import example, input_of, new, parsed, predict_request, tensor

need.module("tensorflow")

import numpy as np

import eas_wire as wire
from eas_processor.codecs.tfrecord import DataLoss, read_records
from eas_processor.link import frames
from eas_processor.tf import hooks, request_log
from eas_processor.tf.config import RequestLogConfig
from eas_processor.tf.request_log import RequestLog
from eas_processor.tf.warm_up import warm_up


@pytest.fixture(scope="module")
def half_plus_two():
    """Half plus two, loaded once."""
    path = os.path.join(os.path.dirname(__file__), "data", "tfs")
    return hooks.initialize(os.path.join(path, "saved_model_half_plus_two_cpu", "00000123"), "")


@pytest.fixture
def logged(half_plus_two, tmp_path):
    """Let the model log all requests; return a function that reads the first `count` of them."""
    half_plus_two.request_log = RequestLog(
        half_plus_two, RequestLogConfig(str(tmp_path / "logs" / "h"), 1.0, "h", 7)
    )

    def read(count):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = []
            for path in sorted(tmp_path.glob("logs/h.h-7.*.tfrecord")):
                try:
                    found += list(read_records(io.BytesIO(path.read_bytes())))
                except DataLoss:
                    break  # it is being written
            if len(found) >= count:
                return [parsed("PredictionLog", each) for each in found]
            time.sleep(0.01)
        raise AssertionError("expected %d records" % count)

    yield read
    half_plus_two.request_log = None


def values(entries):
    return {each.key: list(each.value.float_val) for each in entries}


def test_requests_to_predict_in_every_encoding(half_plus_two, logged):
    typed = predict_request(x=tensor(1, [2], float_val=[1, 5])).SerializeToString()
    array = wire.Tensor(wire.DT_FLOAT, np.array([[1], [5]], "<f4"))
    eas = wire.encode_request(wire.Request("serving_default", {"x": array}, []))
    rows = json.dumps({"instances": [1.0, 5.0]}).encode()
    columns = json.dumps({"inputs": [1.0, 5.0]}).encode()
    sent = [
        (typed, frames.TENSOR_PROTO),
        (typed, frames.TENSOR_CONTENT),
        (eas, frames.ARRAY_PROTO),
        (rows, frames.TFS_PREDICT_JSON),
        (columns, frames.TFS_PREDICT_JSON),
    ]
    for body, codec in sent:
        hooks.process(half_plus_two, body, codec)
    logs = logged(len(sent))
    for log in logs:
        assert values(log.predict_log.request.inputs) == {"x": [1, 5]}
        outputs = log.predict_log.response.outputs
        content = outputs[0].value.tensor_content
        assert content or values(outputs) == {"y": [2.5, 4.5]}
        spec = log.log_metadata.model_spec
        assert (spec.name, spec.version.value) == ("h", 7)
        assert log.log_metadata.sampling_config.sampling_rate == 1.0
        assert abs(log.log_metadata.timestamp_secs - time.time()) < 60


def test_requests_of_examples(half_plus_two, logged):
    rows = [{"x": 2.0}, {"x": 4.0}]
    classify = {"signature_name": "classify_x_to_y", "examples": rows}
    regress = {"signature_name": "regress_x_to_y", "examples": rows}
    spec = new("ModelSpec", name="h", signature_name="regress_x_to_y")
    examples = input_of(example(x=[2.0]), example(x=[4.0]))
    proto = new("RegressionRequest", model_spec=spec, input=examples)
    for body, codec in (
        (json.dumps(classify).encode(), frames.TFS_CLASSIFY_JSON),
        (json.dumps(regress).encode(), frames.TFS_REGRESS_JSON),
        (proto.SerializeToString(), frames.REGRESS_PROTO),
    ):
        hooks.process(half_plus_two, body, codec)
    first, second, third = logged(3)
    assert first.classify_log.request.model_spec.signature_name == "classify_x_to_y"
    assert first.classify_log.request.input == examples
    found = first.classify_log.response.result.classifications
    assert [each.classes[0].score for each in found] == [3.0, 4.0]
    assert second.regress_log.request == third.regress_log.request == proto
    assert second.regress_log.response == third.regress_log.response
    assert [each.value for each in third.regress_log.response.result.regressions] == [3.0, 4.0]


def test_batches_are_logged_and_refusals_are_not(half_plus_two, logged):
    good = json.dumps({"instances": [1.0]}).encode()
    answers = hooks.batch_process(half_plus_two, [good, b"{}", good], [frames.TFS_PREDICT_JSON] * 3)
    assert isinstance(answers[1], Exception)
    hooks.process(half_plus_two, json.dumps({"instances": [9.0]}).encode(), 2)
    inputs = [values(log.predict_log.request.inputs)["x"] for log in logged(3)]
    assert inputs == [[1.0], [1.0], [9.0]]


def test_a_log_can_be_a_warm_up_file(half_plus_two, logged, tmp_path, caplog):
    caplog.set_level("INFO")
    hooks.process(half_plus_two, json.dumps({"instances": [1.0]}).encode(), 2)
    logged(1)
    (tmp_path / "assets.extra").mkdir()
    (path,) = tmp_path.glob("logs/*")
    path.rename(tmp_path / "assets.extra" / "tf_serving_warmup_requests")
    warm_up(half_plus_two, str(tmp_path), 1)
    assert "Number of warmup records read: 1. " in caplog.text


class Stuck:
    """Log files that block until the test releases them."""

    def __init__(self, *_):
        self.may = threading.Event()

    def write(self, records):
        self.may.wait(30)


def test_a_request_never_waits_and_drops_are_counted(half_plus_two, monkeypatch, caplog):
    monkeypatch.setattr(request_log, "LogFiles", Stuck)
    monkeypatch.setattr(request_log, "MAX_WAITING", 5)
    log = RequestLog(half_plus_two, RequestLogConfig("p", 1.0))
    body = predict_request(x=tensor(1, [1])).SerializeToString()
    begin = time.monotonic()
    for _ in range(50):
        log.offer([body], [frames.TENSOR_PROTO], [b""])
    assert time.monotonic() - begin < 10
    # Five wait, and the thread may have taken five.
    assert 40 <= log.dropped <= 45
    log._files.may.set()
    deadline = time.monotonic() + 30
    while "requests were dropped" not in caplog.text and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "request log: %d requests were dropped" % log.dropped in caplog.text


def test_waiting_bytes_are_bounded(half_plus_two, monkeypatch):
    monkeypatch.setattr(request_log, "LogFiles", Stuck)
    monkeypatch.setattr(request_log, "MAX_WAITING_BYTES", 1000)
    log = RequestLog(half_plus_two, RequestLogConfig("p", 1.0))
    log.offer([bytes(600)] * 3, [frames.TENSOR_PROTO] * 3, [b""] * 3)
    assert log.dropped == 2
    log._files.may.set()


def test_a_directory_that_cannot_be_written_costs_no_request(half_plus_two, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    log = RequestLog(half_plus_two, RequestLogConfig(str(tmp_path / "file" / "m"), 1.0))
    body = predict_request(x=tensor(1, [1])).SerializeToString()
    log.offer([body], [frames.TENSOR_PROTO], [b""])
    deadline = time.monotonic() + 30
    while not log.dropped and time.monotonic() < deadline:
        time.sleep(0.01)
    assert log.dropped == 1
    assert "request log: " in caplog.text


def test_a_share_of_the_requests(half_plus_two, monkeypatch):
    monkeypatch.setattr(request_log, "LogFiles", Stuck)
    log = RequestLog(half_plus_two, RequestLogConfig("p", 0.1))
    taken = []
    monkeypatch.setattr(log, "_add", lambda *sample: taken.append(sample))
    log.offer([b"x"] * 10000, [frames.TENSOR_PROTO] * 10000, [b""] * 10000)
    assert 700 < len(taken) < 1300


def test_it_is_made_where_model_config_asks_for_it(half_plus_two, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(hooks, "load", lambda *_: half_plus_two)
    monkeypatch.setattr(hooks, "RequestLog", lambda *given: made.append(given[1]))
    config = {"prefix": str(tmp_path / "m"), "sampling_rate": 0.5, "model": "h", "version": 3}
    hooks.initialize("m", {"request_log": config})
    hooks.initialize("m", {"request_log": dict(config, sampling_rate=0)})
    hooks.initialize("m", {})
    assert made == [(str(tmp_path / "m"), 0.5, "h", 3)]
