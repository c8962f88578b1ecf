from __future__ import annotations

import asyncio
import sys
import threading

import numpy as np
import pytest
from fixtures import need

grpc = need.module("grpc")

from fixtures.grpc_model import GrpcModel  # noqa: E402 - it needs grpcio
from fixtures.serving_messages import new  # noqa: E402

import eas_wire as wire  # noqa: E402
from eas_prediction import (  # noqa: E402
    AsyncGrpcClient,
    ConnectionLost,
    InvalidRequest,
    Refused,
    RetryPolicy,
    ServiceFailed,
    TimedOut,
)

FLOATS = {"x": (wire.DT_FLOAT, [-1, 2])}


@pytest.fixture
def model():
    model = GrpcModel()
    yield model
    model.close()


def run(model, use, **settings):
    """Return what `use` does with a client of the model."""

    async def main():
        async with AsyncGrpcClient(model.target, "m", **settings) as client:
            return await use(client)

    return asyncio.run(main())


def test_arrays_as_the_signature_says_and_back(model):
    model.signatures["serving_default"] = (FLOATS, FLOATS)

    async def use(client):
        outputs = await client.predict({"x": [[1, 2]]}, version=3, outputs=["x"])
        return outputs, await client.signature()

    outputs, signature = run(model, use, token="s3cret")
    np.testing.assert_array_equal(outputs["x"], np.array([[1, 2]], np.float32))
    assert outputs["x"].dtype == np.float32
    assert signature.inputs["x"].dtype == "DT_FLOAT"
    received = model.received[0]
    assert received.metadata["authorization"] == "s3cret"
    assert received.request.model_spec.version.value == 3
    assert 4 < received.seconds <= 5.1


def test_many_tasks_share_a_client(model):
    async def use(client):
        return await client.predict_many([{"x": float(each)} for each in range(40)])

    assert [each["x"].tolist() for each in run(model, use)] == [float(each) for each in range(40)]


def test_unavailable_is_tried_again(model):
    model.failures = [(grpc.StatusCode.UNAVAILABLE, "queue full")] * 2
    policy = RetryPolicy(attempts=3, backoff=0)
    outputs = run(model, lambda client: client.predict({"x": 1.0}), retry_policy=policy)
    assert outputs["x"] == 1.0
    model.failures = [(grpc.StatusCode.UNAVAILABLE, "queue full")] * 3
    with pytest.raises(ServiceFailed, match="queue full"):
        run(model, lambda client: client.predict({"x": 1.0}), retry_policy=policy)


def test_failures_are_those_of_the_other_clients(model):
    model.failures = [(grpc.StatusCode.NOT_FOUND, "no version 9")]
    with pytest.raises(Refused) as raised:
        run(model, lambda client: client.predict({"x": 1.0}))
    failure = raised.value
    assert (failure.code, failure.grpc_status, failure.message) == (
        404,
        "NOT_FOUND",
        "no version 9",
    )


def test_a_slow_answer_is_timed_out(model):
    go_on = threading.Event()
    model.answer = lambda request: go_on.wait(10) and new("PredictResponse")
    with pytest.raises(TimedOut):
        run(model, lambda client: client.predict({"x": 1.0}, timeout=200))
    go_on.set()


def test_the_signature_is_asked_for_again_when_values_do_not_fit_it(model):
    async def use(client):
        model.signatures["serving_default"] = (FLOATS, FLOATS)
        await client.predict({"x": [[1, 2]]})
        model.signatures["serving_default"] = ({"x": (wire.DT_STRING, [-1])}, {})
        outputs = await client.predict({"x": ["a"]})
        with pytest.raises(InvalidRequest, match="DT_STRING takes str or bytes, got int"):
            await client.predict({"x": [1]})
        return outputs

    assert run(model, use)["x"].tolist() == [b"a"]


def test_it_is_done_without_where_the_service_has_none(model):
    model.metadata_failure = (grpc.StatusCode.UNIMPLEMENTED, "no metadata here")
    assert run(model, lambda client: client.predict({"x": 1.0}))["x"] == 1.0
    model.metadata_failure = (grpc.StatusCode.NOT_FOUND, "no model 'm'")
    with pytest.raises(Refused, match="no model 'm'"):
        run(model, lambda client: client.predict({"x": 1.0}))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tasks do not tell who cancelled them")
def test_to_close_the_client_ends_its_calls_and_not_their_tasks(model):
    begun, goes_on = threading.Event(), threading.Event()

    def answer(request):
        begun.set()
        goes_on.wait(10)
        return new("PredictResponse")

    model.answer = answer

    async def use(client, end):
        task = asyncio.ensure_future(client.predict({"x": 1.0}))
        await asyncio.get_running_loop().run_in_executor(None, begun.wait, 10)
        await end(client, task)
        return (await asyncio.gather(task, return_exceptions=True))[0]

    async def close(client, task):
        await client.close()

    async def cancel(client, task):
        task.cancel()

    try:
        lost = run(model, lambda client: use(client, close))
        assert isinstance(lost, ConnectionLost) and lost.grpc_status == "CANCELLED"
        assert isinstance(run(model, lambda client: use(client, cancel)), asyncio.CancelledError)
    finally:
        goes_on.set()


def test_a_closed_client_opens_anew(model):
    async def use(client):
        await client.predict({"x": 1.0})
        await client.close()
        return await client.predict({"x": 2.0})

    assert run(model, use)["x"] == 2.0
