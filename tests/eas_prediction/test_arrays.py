"""Calls with a dict of arrays: checked against the signature, split, joined; many at a time."""

from __future__ import annotations

import asyncio
import json
import threading

import numpy as np
import pytest

import eas_wire as wire
from eas_prediction import (
    AsyncPredictClient,
    AsyncTransport,
    BadResponse,
    InvalidRequest,
    PredictClient,
    Refused,
    StringRequest,
    TFRequest,
)
from eas_prediction.testing import FakeTransport, tf_answer

SIGNATURE = {
    "signature_name": "double",
    "inputs": [
        {"name": "x", "shape": [-1, 3], "type": "DT_FLOAT"},
        {"name": "factor", "shape": [], "type": "DT_INT32"},
    ],
    "outputs": [
        {"name": "y", "shape": [-1, 3], "type": "DT_FLOAT"},
        {"name": "sum", "shape": [], "type": "DT_FLOAT"},
    ],
}


def answer(sent):
    if not sent.body:
        return json.dumps(SIGNATURE).encode()
    request = wire.decode_request(sent.body)
    x, factor = request.inputs["x"].array, request.inputs["factor"].array
    outputs = {"y": x * factor.astype(np.float32), "sum": np.float32(x.sum())}
    return tf_answer({k: v for k, v in outputs.items() if k in (request.output_filter or outputs)})


class FakeAsyncTransport(AsyncTransport):
    def __init__(self):
        self.inner = FakeTransport(answer)

    async def send(self, *arguments):
        await asyncio.sleep(0)
        return self.inner.send(*arguments)

    def close(self):
        pass


@pytest.fixture
def transport():
    return FakeTransport(answer)


@pytest.fixture
def client(transport):
    return PredictClient("h", "svc", transport=transport)


def rows(count):
    return np.arange(3 * count, dtype=np.float32).reshape(count, 3) / 7


def test_the_signature(client):
    signature = client.signature()
    assert signature.name == "double"
    assert signature.inputs["x"] == ("x", "DT_FLOAT", (-1, 3))
    assert "input x: DT_FLOAT [-1, 3]" in str(signature)
    assert "input factor: DT_INT32 []" in str(signature)


def test_what_is_no_signature(client, transport):
    transport.answer = lambda sent: b"<html>"
    with pytest.raises(BadResponse, match="expected the model's signature in JSON"):
        client.signature()


def test_arrays_in_and_out(client, transport):
    found = client.predict({"x": rows(2), "factor": 2})
    np.testing.assert_array_equal(found["y"], rows(2) * 2)
    assert set(found) == {"y", "sum"}
    assert set(client.predict({"x": rows(2), "factor": 2}, outputs=["y"])) == {"y"}
    assert len(transport.requests) == 3  # the signature was asked for once


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"z": 1}, r"no input 'z' in signature 'double'; it has 'x', 'factor'"),
        ({"x": rows(1)}, r"input 'factor' is missing: signature 'double' expects DT_INT32 \[\]"),
        (
            {"x": rows(1)[0], "factor": 1},
            r"input 'x': expected DT_FLOAT \[-1, 3\], got float32 \[3\]; one row is .* \[1, 3\]",
        ),
        (
            {"x": np.zeros([1, 4]), "factor": 1},
            r"expected DT_FLOAT \[-1, 3\], got float64 \[1, 4\]",
        ),
        (
            {"x": [[1, 2]], "factor": 1},
            r"expected DT_FLOAT \[-1, 3\], got values of shape \[1, 2\]",
        ),
        ({"x": rows(1), "factor": 0.5}, r"input 'factor': DT_INT32 takes integers, got float64"),
        ({"x": [["a", "b", "c"]], "factor": 1}, r"input 'x': DT_FLOAT takes numbers, got"),
    ],
)
def test_what_does_not_fit_is_not_sent(client, transport, arrays, message):
    client.signature()
    with pytest.raises(InvalidRequest, match=message):
        client.predict(arrays)
    assert not any(each.body for each in transport.requests)


def test_an_output_that_is_not_there(client):
    with pytest.raises(
        InvalidRequest, match="no output 'z' in signature 'double'; it has 'y', 'sum'"
    ):
        client.predict({"x": rows(1), "factor": 1}, outputs=["z"])


def test_a_model_that_has_changed_is_asked_again(client, transport, monkeypatch):
    client.signature()
    monkeypatch.setitem(
        SIGNATURE, "inputs", [{**SIGNATURE["inputs"][0], "shape": [-1, 4]}, SIGNATURE["inputs"][1]]
    )
    assert client.predict({"x": np.ones([2, 4]), "factor": 3})["y"].shape == (2, 4)


@pytest.mark.parametrize(("count", "requests"), [(10, 4), (3, 1), (1, 1), (0, 1)])
def test_a_large_batch_is_split_and_joined(client, transport, count, requests):
    client.signature()
    found = client.predict({"x": rows(count), "factor": 2}, max_rows=3, outputs=["y"])
    np.testing.assert_array_equal(found["y"], rows(count) * 2)
    assert len(transport.requests) == 1 + requests


def test_an_output_without_rows_cannot_be_joined(client):
    with pytest.raises(InvalidRequest, match=r"output 'sum' is DT_FLOAT \[\].*outputs="):
        client.predict({"x": rows(10), "factor": 2}, max_rows=3)


def test_max_rows_is_for_arrays(client):
    with pytest.raises(InvalidRequest, match="need a dict of arrays"):
        client.predict(StringRequest("x"), max_rows=3)
    with pytest.raises(InvalidRequest, match="max_rows: expected 1 or more, got 0"):
        client.predict({"x": rows(1), "factor": 2}, max_rows=0)


def test_many_come_back_in_order(client):
    heard = []
    found = client.predict_many(
        [{"x": rows(each), "factor": each} for each in range(20)],
        concurrency=4,
        progress=lambda done, total: heard.append((done, total)),
    )
    for each, outputs in enumerate(found):
        np.testing.assert_array_equal(outputs["y"], rows(each) * each)
    assert heard == [(done, 20) for done in range(1, 21)]
    assert client.predict_many([]) == []


def test_many_are_not_more_at_a_time_than_asked_for(client, transport):
    together, most, lock = 0, 0, threading.Lock()

    def count(sent):
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        threading.Event().wait(0.01)
        with lock:
            together -= 1
        return b"fine"

    transport.answer = count
    client.predict_many([StringRequest("x")] * 20, concurrency=3)
    assert most == 3
    with pytest.raises(InvalidRequest, match="concurrency: expected 1 or more"):
        client.predict_many([StringRequest("x")], concurrency=0)


def test_the_first_failure_of_many_is_raised_and_the_rest_not_sent(client, transport):
    transport.answer = lambda sent: (400, {}, b"no") if sent.body == b"5" else b"fine"
    with pytest.raises(Refused, match="no"):
        client.predict_many([StringRequest(str(each)) for each in range(1000)], concurrency=2)
    assert len(transport.requests) < 100


def test_the_same_array_on_every_way_gives_the_same_to_the_bit(client):
    x = np.random.default_rng(3).normal(size=[7, 3]).astype(np.float32)
    arrays = {"x": x, "factor": 3}
    request = TFRequest("double")
    request.add_feed("x", x.shape, TFRequest.DT_FLOAT, x)
    request.add_feed("factor", [], TFRequest.DT_INT32, 3)

    async def ask():
        async with AsyncPredictClient("h", "svc", transport=FakeAsyncTransport()) as other:
            (many,) = await other.predict_many([arrays])
            split = await other.predict(arrays, max_rows=2, outputs=["y"])
            return [await other.predict(arrays), many, split]

    answers = [
        client.predict(request).to_dict(),
        client.predict(arrays),
        *client.predict_many([arrays, request])[:1],
        client.predict(arrays, max_rows=2, outputs=["y"]),
        *asyncio.run(ask()),
    ]
    assert len({each["y"].tobytes() for each in answers}) == 1


def test_the_first_failure_of_many_tasks_is_raised():
    async def ask():
        transport = FakeAsyncTransport()
        transport.inner.answer = lambda sent: (400, {}, b"no") if sent.body == b"5" else b"fine"
        client = AsyncPredictClient("h", "svc", transport=transport)
        try:
            await client.predict_many([StringRequest(str(each)) for each in range(1000)])
        finally:
            assert len(transport.inner.requests) < 100

    with pytest.raises(Refused, match="no"):
        asyncio.run(ask())
