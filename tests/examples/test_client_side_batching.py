from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import eas_wire as wire

SCRIPT = Path(__file__).parents[2] / "examples" / "client_side_batching.py"


class Stub(ThreadingHTTPServer):
    """A digits service whose scores are the first ten pixels; it counts requests by their rows."""

    def __init__(self) -> None:
        self.asked: Counter[int] = Counter()
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Stub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        allowed = self.path == "/api/predict/digits" and "Authorization" in self.headers
        request = wire.decode_request(body)
        images = request.inputs["images"].array
        self.server.asked[len(images)] += 1
        assert request.signature_name == "predict_images"
        scores = wire.Tensor(wire.DT_FLOAT, images[:, :10].copy())
        answer = wire.encode_response({"scores": scores})
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stub() -> Iterator[Stub]:
    with Stub() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def run(*arguments: str, token: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        env=os.environ | {"EAS_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_it_asks_for_the_same_rows_in_three_sizes(stub: Stub) -> None:
    done = run(f"http://127.0.0.1:{stub.server_port}", "digits", token="secret")
    assert done.returncode == 0, done.stderr
    # One row a request twice: first for the answers that the others are compared with.
    assert stub.asked == {1: 512, 16: 16, 256: 1}
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["1", "16", "256"]


def test_without_a_token_the_refusal_is_shown(stub: Stub) -> None:
    done = run(f"http://127.0.0.1:{stub.server_port}", "digits", token="")
    assert done.returncode != 0 and "401" in done.stderr


def test_without_arguments_it_says_what_it_takes() -> None:
    done = run(token="")
    assert done.returncode == 1 and "usage" in done.stderr
