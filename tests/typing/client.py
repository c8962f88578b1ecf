"""Correct uses of the client, which `make lint` checks with mypy --strict and nobody runs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from eas_prediction import (
    ENDPOINT_TYPE_GATEWAY,
    AsyncGrpcClient,
    GrpcClient,
    Overloaded,
    PooledTransport,
    PredictClient,
    PredictException,
    Request,
    RetryPolicy,
    Signature,
    StringRequest,
    StringResponse,
    TFRequest,
    TFResponse,
    Transport,
)
from eas_prediction.testing import FakeTransport, SentRequest, tf_answer


def settings() -> None:
    client = PredictClient("http://127.0.0.1:8080", "mnist", retry_policy=RetryPolicy(attempts=2))
    client.set_endpoint_type(ENDPOINT_TYPE_GATEWAY)
    client.set_timeout(2500)
    client.set_timeout(0.5)
    client.set_retry_count(0)
    client.set_retry_policy(RetryPolicy(statuses={450, 503}, lost_connections=False))
    client.set_log_level(logging.DEBUG)
    client.set_log_level("DEBUG")
    client.add_extra_headers({"X-Mine": "1"})
    attempts: int = client.retry_count
    milliseconds: float = client.timeout
    headers: dict[str, str] = client.headers
    print(attempts, milliseconds, headers)


def request() -> TFRequest:
    request = TFRequest("predict_images")
    request.add_feed("list", [1, 2], TFRequest.DT_FLOAT, [1.0, 2.0])
    request.add_feed("nested", (2, 1), TFRequest.DT_FLOAT, [[1.0], [2.0]])
    request.add_feed("array", [2], TFRequest.DT_FLOAT, np.zeros(2, np.float32))
    request.add_feed("array's shape", np.zeros([2, 3]).shape, TFRequest.DT_FLOAT, np.zeros([2, 3]))
    request.add_feed("scalar", [], TFRequest.TF_BOOL, True)
    request.add_feed("text", [1], TFRequest.DT_STRING, ["a"])
    request.request_data.signature_name = "other"
    return request


def predictions(client: PredictClient) -> None:
    with client:
        response: TFResponse = client.predict(request(), timeout=100, query={"a": 1})
        values: list[Any] = response.get_values("scores")
        shape: list[int] = response.get_tensor_shape("scores")
        array: np.ndarray[Any, Any] = response.numpy("scores")
        arrays: dict[str, np.ndarray[Any, Any]] = response.to_dict()
        text: StringResponse = client.predict(StringRequest(b"{}"), path="/v2", headers={"A": "b"})
        print(values, shape, array, arrays, text)


def errors(client: PredictClient) -> float:
    try:
        client.predict(StringRequest())
    except Overloaded as error:
        return error.retry_after or 1.0
    except PredictException as error:
        code: int = error.code
        message: str = error.message
        print(code, message)
    return 0.0


class Reversed(Request):
    def to_string(self) -> bytes:
        return b"abc"

    def parse_response(self, response_data: bytes) -> bytes:
        return response_data[::-1]


class Counting(Transport):
    count = 0

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        self.count += 1
        return 200, {}, b""

    def close(self) -> None:
        pass


def transports() -> list[PredictClient]:
    def answer(sent: SentRequest) -> bytes:
        return tf_answer({"scores": [[float(len(sent.body))]]})

    pooled = PooledTransport(ca_certs="ca.pem", proxy="http://proxy:3128", read_timeout=1)
    refusing = FakeTransport(lambda sent: (450, {"Retry-After": "1"}, b"full"))
    each: list[Transport] = [pooled, Counting(), refusing, FakeTransport(answer)]
    return [PredictClient("h", "svc", transport=transport) for transport in each]


def own_request(client: PredictClient) -> bytes:
    answer: bytes = client.predict(Reversed())
    return answer


def by_grpc() -> None:
    with GrpcClient("127.0.0.1:8500", "half_plus_two", token="...", timeout=2000) as client:
        outputs: dict[str, np.ndarray[Any, Any]] = client.predict({"x": [1.0]}, version=3)
        many: list[dict[str, np.ndarray[Any, Any]]] = client.predict_many([{"x": [1.0]}])
        signature: Signature = client.signature(version_label="canary")
    print(outputs, many, signature)


async def by_grpc_with_asyncio() -> None:
    async with AsyncGrpcClient("127.0.0.1:8500", "m", options=[("grpc.lb_policy_name", "x")]) as c:
        outputs: dict[str, np.ndarray[Any, Any]] = await c.predict({"x": [1.0]}, outputs=["y"])
    print(outputs)
