"""The codecs in a worker, and one that a single file adds without other changes."""

import json
import os

import numpy as np
import pytest
from fixtures import need

need.module("tensorflow")

import eas_wire as wire
from eas_processor.link.codes import INVALID_ARGUMENT, OK, UNIMPLEMENTED
from eas_processor.link.frames import ARRAY_PROTO, EAS_JSON, HEAD, PREDICT, READY, REPLY

pytestmark = pytest.mark.medium

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
MODEL = os.path.join(TESTS, "tf", "data", "tf1_saved_model")
CSV = 201


@pytest.fixture
def worker(engine):
    _, launcher = engine.start("csv_codec.py")
    instance = engine.launch(launcher, batch_size=4, model_entry=MODEL)
    assert instance.kind == READY, instance.said
    return instance


def ask(worker, *requests):
    """Send requests, each a codec and a body, in one burst; return code and body of the answers."""
    burst = b""
    for number, (codec, body) in enumerate(requests):
        burst += HEAD.pack(len(body), PREDICT, codec, 0, number, 0.0) + body
    worker.data.sock.sendall(burst)
    answers = {}
    for _ in requests:
        kind, code, number, payload = worker.data.next()
        assert kind == REPLY
        answers[number] = code, payload
    return [answers[number] for number in range(len(requests))]


def numbers(text):
    return [[float(cell) for cell in line.split(b",")] for line in text.splitlines()]


def test_it_is_served_by_a_worker_beside_the_others(worker):
    images = np.array([[1, 2, 3, 4]], np.float32)
    tensor = wire.Tensor(wire.DT_FLOAT, images)
    proto = wire.encode_request(wire.Request("predict_images", {"images": tensor}, []))
    document = {"signature_name": "predict_images", "instances": images.tolist()}
    requests = [
        (CSV, b"1,2,3,4\n"),
        (ARRAY_PROTO, proto),
        (CSV, b"4,3,2,1\n1,2,3,4\n"),
        (EAS_JSON, json.dumps(document).encode()),
    ]
    for _ in range(2):
        answers = ask(worker, *requests)
        assert [code for code, _ in answers] == [OK] * 4
        csv, proto, two, as_json = [body for _, body in answers]
        expected = wire.decode_response(proto)["scores"].array
        assert np.allclose(numbers(csv), expected, rtol=1e-4)
        assert numbers(two)[1:] == numbers(csv) and numbers(two)[0] != numbers(csv)[0]
        assert np.allclose(json.loads(as_json.decode())["predictions"], expected)


def test_what_it_refuses_is_the_requests_fault(worker):
    (odd, wide, unknown) = ask(worker, (CSV, b"1,x\n"), (CSV, b"1,2\n"), (CSV + 1, b"1\n"))
    assert odd == (
        INVALID_ARGUMENT,
        b"the body is not CSV of numbers: could not convert string to float: b'x'",
    )
    assert wide[0] == INVALID_ARGUMENT and b"expected DT_FLOAT [-1, 4]" in wide[1]
    assert unknown[0] == UNIMPLEMENTED and b"unknown codec 202" in unknown[1]


def test_no_depth_of_json_ends_a_worker(worker):
    openings = [b"[", b'{"a":', b'{"inputs":[', b'{"instances":[{"x":[']
    for opening in openings:
        for levels in (65, 5000, 1000000):
            ((code, text),) = ask(worker, (EAS_JSON, opening * levels))
            assert code == INVALID_ARGUMENT
            # Which of the limits a body meets first depends on how much its values could take.
            assert b"nested too deeply: more than 64 levels" in text or b" MB of memory" in text
    assert ask(worker, (CSV, b"1,2,3,4\n"))[0][0] == OK
