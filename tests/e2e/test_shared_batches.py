"""One worker, and one batch, for calls of every protocol."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from e2e.test_model_server import DATA
from fixtures.serving_messages import parsed, predict_request, tensor

from eas_prediction import TFRequest

MODEL = DATA / "saved_model_half_plus_two_cpu" / "00000123"
PROTOCOLS = 4
# A batch ends when it is full: long before the time for it is over.
RPC = {"batching": True, "max_batch_size": PROTOCOLS, "max_batch_timeout": 20_000}
# The documentation's shape, which every protocol can send.
GIVEN, SHAPE, EXPECTED = [1.0], [1, 1], [2.5]


class Callers:
    """Ask the same by each protocol; each returns the outputs as a flat list."""

    def __init__(self, served: Any) -> None:
        self._served = served
        self._netloc = served.address.partition("://")[2]

    def eas(self) -> list[float]:
        request = TFRequest("serving_default")
        request.add_feed("x", SHAPE, TFRequest.DT_FLOAT, GIVEN)
        request.add_fetch("y")
        response = self._served.client().predict(request)
        return list(response.get_values("y"))

    def eas_json(self) -> list[float]:
        body = {"signature_name": "serving_default", "inputs": {"x": [GIVEN]}}
        (row,) = self._post(f"/api/predict/{self._served.name}", body)["outputs"]
        return list(row)

    def rest(self) -> list[float]:
        path = f"/v1/models/{self._served.name}:predict"
        (row,) = self._post(path, {"instances": [GIVEN]})["predictions"]
        return list(row)

    def grpc(self) -> list[float]:
        request = predict_request(model=self._served.name, x=tensor(1, SHAPE, float_val=GIVEN))
        with grpc.insecure_channel(self._netloc) as channel:
            answer = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")(
                request.SerializeToString(),
                timeout=60,
                metadata=[("authorization", self._served.token)],
            )
        return list(parsed("PredictResponse", answer).outputs[0].value.float_val)

    def metric(self, name: str) -> float:
        connection = http.client.HTTPConnection(self._netloc, timeout=60)
        connection.request("GET", "/metrics", headers={"Authorization": self._served.token})
        text = connection.getresponse().read().decode()
        connection.close()
        return sum(
            float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name)
        )

    def _post(self, path: str, body: Any) -> Any:
        connection = http.client.HTTPConnection(self._netloc, timeout=60)
        headers = {"Authorization": self._served.token, "Content-Type": "application/json"}
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        assert response.status == 200, answer
        return json.loads(answer)


def test_calls_of_every_protocol_run_as_one(serve: Callable[..., Any]) -> None:
    served = serve(MODEL, frontends=["eas", "tfs", "grpc"], metadata={"rpc": RPC})
    callers = Callers(served)
    before = callers.metric("eas_batch_rows_count")
    with ThreadPoolExecutor(PROTOCOLS) as pool:
        asked = [callers.eas, callers.eas_json, callers.rest, callers.grpc]
        answers = [each.result() for each in [pool.submit(ask) for ask in asked]]
    assert answers == [EXPECTED] * PROTOCOLS
    assert callers.metric("eas_batch_rows_count") - before == 1
