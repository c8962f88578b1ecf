"""`PredictionService` in front of versions without workers."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from fixtures.engine import eventually_async
from fixtures.serving_messages import new, parsed, predict_request, tensor

from eas_processor.contracts.refusals import DeadlineExceeded, QueueFull
from eas_processor.link import codes
from eas_processor.link.frames import CLASSIFY_PROTO, MULTI_INFERENCE, REGRESS_PROTO, TENSOR_PROTO

PREDICTION = "/tensorflow.serving.PredictionService/"
PREDICT = PREDICTION + "Predict"
ASK = predict_request(model="m").SerializeToString()
Status = grpc.StatusCode


def ask_for(model: str = "m", **spec: Any) -> bytes:
    return bytes(
        new("PredictRequest", model_spec=new("ModelSpec", name=model, **spec)).SerializeToString()
    )


@pytest.mark.parametrize(
    ("method", "api", "codec"),
    [
        ("Predict", "predict", TENSOR_PROTO),
        ("Classify", "classify", CLASSIFY_PROTO),
        ("Regress", "regress", REGRESS_PROTO),
    ],
)
async def test_a_call_goes_to_the_latest_version_in_its_codec(
    serve: Any, method: str, api: str, codec: int
) -> None:
    async with serve() as front:
        entry = front.model("m", 123, 124)
        call = front.ask(PREDICTION + method, ASK)
        (submitted,) = await front.arrived(entry.versions[124])
        assert (submitted.codec, b"".join(submitted.body)) == (codec, ASK)
        outputs = new("PredictResponse", outputs=[new("InputsEntry", key="y")])
        submitted.answer(codes.OK, [outputs.SerializeToString()])
        answer = parsed("PredictResponse", await call)
    spec = answer.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("m", 124, "serving_default")
    assert [each.key for each in answer.outputs] == ["y"]
    counted = front.counters.of("m")
    assert counted.requests == {"OK": 1} and list(counted.latency) == [(api, "GRPC")]
    assert entry.versions[124].metrics.codes[200] == 1


async def test_inferences_have_the_version_in_each_result(serve: Any) -> None:
    spec = new("ModelSpec", name="m", signature_name="s")
    tasks = [new("InferenceTask", model_spec=spec, method_name="x")] * 2
    message = new("MultiInferenceRequest", tasks=tasks).SerializeToString()
    results = [new("InferenceResult", model_spec=spec)] * 2
    answer = new("MultiInferenceResponse", results=results).SerializeToString()
    async with serve() as front:
        entry = front.model("m", 5)
        call = front.ask(PREDICTION + "MultiInference", message)
        (submitted,) = await front.arrived(entry.versions[5])
        assert submitted.codec == MULTI_INFERENCE
        submitted.answer(codes.OK, [answer])
        read = parsed("MultiInferenceResponse", await call)
        assert [each.model_spec.version.value for each in read.results] == [5, 5]
        refusal = await front.refusal(PREDICTION + "MultiInference", b"")
    assert refusal == (Status.INVALID_ARGUMENT, "MultiInferenceRequest has no tasks.")


async def test_an_answer_that_is_no_message_is_the_fault_of_its_processor(serve: Any) -> None:
    task = new("InferenceTask", model_spec=new("ModelSpec", name="m"))
    message = new("MultiInferenceRequest", tasks=[task]).SerializeToString()
    async with serve() as front:
        entry = front.model("m", 5)
        call = front.ask(PREDICTION + "MultiInference", message)
        (submitted,) = await front.arrived(entry.versions[5])
        submitted.answer(codes.OK, [b"\x0a\x7f"])
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call
    assert raised.value.code() == Status.INTERNAL
    assert "the answer of the processor cannot be read" in raised.value.details()
    assert front.counters.of("m").requests == {"INTERNAL": 1}


async def test_a_call_may_name_a_version_or_a_label(serve: Any) -> None:
    async with serve() as front:
        entry = front.model("m", 123, 124)
        entry.label({"stable": 123})
        for spec, number in (
            ({"version": new("Int64Value", value=123)}, 123),
            ({"version_label": "stable"}, 123),
            ({"version": new("Int64Value")}, 124),
        ):
            answer = await front.answered(entry, number, "Predict", ask_for(**spec))
            assert parsed("PredictResponse", answer).model_spec.version.value == number


async def test_what_a_spec_meant_is_asked_again_after_a_change(serve: Any) -> None:
    async with serve() as front:
        entry = front.model("m", 1)
        entry.label({"stable": 1})
        labelled = ask_for(version_label="stable")
        for message in (ASK, ASK, labelled):
            await front.answered(entry, 1, "Predict", message)
        entry.publish(2, front.version("m"))
        await front.answered(entry, 2, "Predict", ASK)
        await front.answered(entry, 1, "Predict", labelled)
        entry.label({"stable": 2})
        await front.answered(entry, 2, "Predict", labelled)
        front.registry.remove(entry)
        refusal = await front.refusal(PREDICT, ASK)
    assert refusal == (Status.NOT_FOUND, "Servable not found for request: Latest(m)")


@pytest.mark.parametrize(
    ("message", "status", "text"),
    [
        (b"", Status.INVALID_ARGUMENT, "Missing ModelSpec"),
        (ask_for(""), Status.INVALID_ARGUMENT, "Missing ModelSpec"),
        (ask_for("", signature_name="s"), Status.INVALID_ARGUMENT, "ModelSpec has no name"),
        (ask_for("no"), Status.NOT_FOUND, "Servable not found for request: Latest(no)"),
        (
            ask_for(version=new("Int64Value", value=9)),
            Status.NOT_FOUND,
            "Servable not found for request: Specific(m, 9)",
        ),
        (
            ask_for(version_label="x"),
            Status.INVALID_ARGUMENT,
            "Unrecognized servable version label: x",
        ),
        (b"\x0a\x7fm", Status.INVALID_ARGUMENT, "the message cannot be read"),
    ],
)
async def test_what_names_no_version_is_refused(
    serve: Any, message: bytes, status: grpc.StatusCode, text: str
) -> None:
    async with serve() as front:
        front.model("m", 1)
        code, details = await front.refusal(PREDICT, message)
    assert code == status and details.startswith(text)


async def test_a_service_that_does_not_ask_for_grpc_is_not_there(serve: Any) -> None:
    async with serve() as front:
        front.model("m", 1, frontends=frozenset(["eas", "tfs"]))
        assert (await front.refusal(PREDICT, ASK))[0] == Status.NOT_FOUND


@pytest.mark.parametrize("sent", ["secret", "Bearer secret"])
async def test_a_service_with_a_token_asks_for_it(serve: Any, sent: str) -> None:
    async with serve() as front:
        entry = front.model("m", 1, token="secret")
        front.model("other", 1, token="another")
        # With several tokens even the name is told to nobody.
        for model in ("m", "no"):
            for metadata in ([], [("authorization", "another")]):
                refusal = await front.refusal(PREDICT, ask_for(model), metadata=metadata)
                assert refusal[0] == Status.UNAUTHENTICATED
        call = front.ask(PREDICT, ASK, metadata=[("authorization", sent)])
        (submitted,) = await front.arrived(entry.versions[1])
        submitted.answer(codes.OK, [b""])
        assert parsed("PredictResponse", await call).model_spec.name == "m"
        # What was found with the token does not let in who has none.
        assert (await front.refusal(PREDICT, ASK))[0] == Status.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("code", "payload", "status", "text"),
    [
        (codes.INVALID_ARGUMENT, b"bad", Status.INVALID_ARGUMENT, "bad"),
        (codes.FAILED_PRECONDITION, b"not now", Status.FAILED_PRECONDITION, "not now"),
        (codes.MODEL_FAULT, b"ops", Status.INTERNAL, "ops"),
        (codes.UNIMPLEMENTED, b"no", Status.UNIMPLEMENTED, "no"),
        (codes.TOO_LARGE, b"large", Status.RESOURCE_EXHAUSTED, "large"),
        (codes.INVALID_ARGUMENT, b"\xc3\xbc%\n\xff", Status.INVALID_ARGUMENT, "ü%\n\ufffd"),
        (codes.INTERNAL, b"x" * 1024, Status.INTERNAL, "x" * 1024),
        (codes.INTERNAL, b"x" * 1025, Status.INTERNAL, "x" * 1024 + "...TRUNCATED"),
    ],
)
async def test_what_a_worker_refuses_has_its_status_and_text(
    serve: Any, code: int, payload: bytes, status: grpc.StatusCode, text: str
) -> None:
    async with serve() as front:
        entry = front.model("m", 1)
        call = front.ask(PREDICT, ASK)
        (await front.arrived(entry.versions[1]))[0].answer(code, [payload])
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call
    assert (raised.value.code(), raised.value.details()) == (status, text)
    assert "OK" not in front.counters.of("m").requests


@pytest.mark.parametrize(
    ("refusal", "status", "text"),
    [
        (
            QueueFull("the queue is full"),
            Status.UNAVAILABLE,
            "The batch scheduling queue to which this task was submitted is full",
        ),
        (
            DeadlineExceeded("late"),
            Status.DEADLINE_EXCEEDED,
            "Timed out waiting for notification",
        ),
    ],
)
async def test_what_the_engine_refuses_is_said_in_their_words(
    serve: Any, refusal: Any, status: grpc.StatusCode, text: str
) -> None:
    async with serve() as front:
        entry = front.model("m", 1)
        call = front.ask(PREDICT, ASK)
        (await front.arrived(entry.versions[1]))[0].refuse(refusal)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call
    assert (raised.value.code(), raised.value.details()) == (status, text)


async def test_a_call_has_the_deadline_that_it_brings_or_none(serve: Any) -> None:
    async with serve() as front:
        entry = front.model("m", 1)
        for timeout in (20, None):
            call = front.ask(PREDICT, ASK, timeout=timeout)
            submitted = (await front.arrived(entry.versions[1])).pop()
            limit = submitted.deadline
            assert 15 < limit < 21 if timeout else limit == 0.0
            submitted.answer(codes.OK, [b""])
            await call


async def test_a_call_has_less_time_where_its_message_has_taken_some(serve: Any) -> None:
    """Calls of one limit are looked at in the order of their deadlines"""
    async with serve() as front:
        entry = front.model("m", 1)
        call = front.channel.stream_unary(PREDICT)(timeout=20)
        await eventually_async(lambda: any(each.streams for each in front.server.connections))
        (stream,) = [s for each in front.server.connections for s in each.streams.values()]
        stream.deadline -= 10
        await call.write(ASK)
        await call.done_writing()
        (submitted,) = await front.arrived(entry.versions[1])
        assert 5 < submitted.deadline < 11
        submitted.answer(codes.OK, [b""])
        await call


async def test_a_call_that_its_client_cancels_is_withdrawn(serve: Any) -> None:
    async with serve() as front:
        entry = front.model("m", 1)
        call = front.ask(PREDICT, ASK)
        service = entry.versions[1]
        (submitted,) = await front.arrived(service)
        call.cancel()
        await eventually_async(lambda: service.admission.withdrawn == [submitted])
        assert service.metrics.codes[499] == 1


async def test_a_large_message_is_paid_for_until_it_is_answered(serve: Any) -> None:
    content = b"\x01" * 3_000_000
    message = predict_request(
        x=tensor(4, [len(content)], tensor_content=content)
    ).SerializeToString()
    async with serve() as front:
        entry = front.model("m", 1)
        call = front.ask(PREDICT, message)
        (submitted,) = await front.arrived(entry.versions[1])
        assert b"".join(submitted.body) == message
        assert submitted.charged == len(message)
        submitted.answer(codes.OK, [b""])
        await call
        await eventually_async(lambda: front.budget.free == front.budget.limit)


async def test_an_unknown_method_is_unimplemented(serve: Any) -> None:
    async with serve() as front:
        code, details = await front.refusal(PREDICTION + "Nothing", b"")
    assert code == Status.UNIMPLEMENTED
    assert details == "there is no method /tensorflow.serving.PredictionService/Nothing"
