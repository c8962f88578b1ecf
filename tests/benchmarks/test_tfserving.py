from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from fixtures.grpc_servers import grpcio_server
from fixtures.serving_messages import parsed

from benchmarks.tfserving import main, random_inputs, rest_body
from eas_processor.errors import BenchError


def metadata(dtype: str = "DT_FLOAT") -> dict[str, Any]:
    shape = {"dim": [{"size": "-1", "name": ""}, {"size": "3", "name": ""}]}
    inputs = {"images": {"dtype": dtype, "tensor_shape": shape, "name": "x:0"}}
    signatures = {"serving_default": {"inputs": inputs, "outputs": {}}}
    return {
        "model_spec": {"name": "m"},
        "metadata": {"signature_def": {"signature_def": signatures}},
    }


class FakeServing(BaseHTTPRequestHandler):
    """TensorFlow Serving's REST port, as far as the script asks: it sums each row."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/v1/models/m/metadata" else 404, metadata())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/models/m:predict" or np.shape(body["instances"])[1:] != (3,):
            self._answer(400, {"error": "no"})
            return
        self._answer(200, {"predictions": [[sum(row)] for row in body["instances"]]})

    def _answer(self, status: int, content: object) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serving() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), FakeServing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_it_loads_the_rest_port(capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as address:
        url = f"{address}/v1/models/m:predict"
        assert main([url, "--seconds", "1", "-c", "2", "--rows", "4", "--json"]) == 0
    known = json.loads(capsys.readouterr().out)
    assert known["failed"] == 0 and known["loop"] == "closed"


def test_it_loads_the_grpc_port_too(capsys: pytest.CaptureFixture[str]) -> None:
    seen = []

    def answer(_: str, message: bytes, __: Any) -> bytes:
        seen.append(parsed("PredictRequest", message))
        return b"x"

    with serving() as address, grpcio_server(answer) as target:
        url = f"{address}/v1/models/m:predict"
        assert main([url, "--grpc", target.authority, "--seconds", "1", "-c", "3", "--json"]) == 0
    known = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert known["what"].startswith("gRPC") and known["status_codes"] == {"OK": known["requests"]}
    assert (known["connections"], known["in_flight"]) == (1, 3)
    assert seen[0].model_spec.name == "m" and seen[0].inputs[0].value.dtype == 1


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/v1/models/m", "NAME:predict"),
        ("/v1/models/none:predict", "answered with 404"),
    ],
)
def test_a_wrong_address_is_said(path: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as address:
        assert main([address + path]) == 1
    assert said in capsys.readouterr().err


def test_a_missing_signature_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as address:
        assert main([f"{address}/v1/models/m:predict", "--signature", "other"]) == 1
    assert "no signature 'other'" in capsys.readouterr().err


def test_strings_cannot_be_made_up() -> None:
    with pytest.raises(BenchError, match="DT_STRING"):
        random_inputs(metadata("DT_STRING"), "serving_default", 1)


def test_several_inputs_are_rows_of_objects() -> None:
    arrays = {"a": np.zeros((2, 1)), "b": np.ones((2, 2))}
    body = json.loads(rest_body(arrays, "s"))
    assert body["signature_name"] == "s"
    assert body["instances"] == [{"a": [0.0], "b": [1.0, 1.0]}] * 2
