"""
What is fuzzed: each target takes any bytes, and raises when what they meet does what it should not.

`http` drives a connection with a fake transport, whose service answers at once or, where the first
byte is odd, when all has arrived. `frames` and `codec` are what the engine and the worker read.
`http2` is the same for gRPC, and `http2_ngh2` asks nghttp2 for its opinion (`http2_targets`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from fixtures.engine import FakeAdmission, FakeClient, make_server
from fuzz.http2_streams import streams
from fuzz.http2_targets import http2, http2_versus_ngh2
from fuzz.mutate import mutations

from eas_processor.codecs.codec import Target
from eas_processor.codecs.errors import CodecError
from eas_processor.codecs.prediction_log import read_prediction_log
from eas_processor.codecs.registry import find
from eas_processor.contracts.settings import EngineSettings, ServiceSettings, WorkerSettings
from eas_processor.frontends.http.server import HttpServer
from eas_processor.link.deframer import Deframer
from eas_processor.link.frames import CLASSIFY_PROTO, MULTI_INFERENCE, TENSOR_PROTO
from eas_wire import WireError, decode_request, decode_response

SEEDS = Path(__file__).parent / "seeds"
_PIECES = (0, 1, 7, 100, 9000)
_STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_INFO = {"info_code": 0, "info_status": 0, "info": "{}"}
_EXPECTED = {100, 200, 400, 401, 404, 405, 408, 411, 413, 414, 415, 431, 450}


class _Admission(FakeAdmission):
    at_once = True

    def submit(self, request: Any, now: float) -> None:
        assert request.size == sum(map(len, request.body))
        if self.at_once:
            request.answer(0, [b"".join(request.body)])
        else:
            self.submitted.append(request)


def _make_server() -> tuple[HttpServer, _Admission]:
    nowhere = Path("/nonexistent")
    worker = WorkerSettings("echo", nowhere, nowhere, "", nowhere, "", threads=1, batch_size=1)
    service, admission = ServiceSettings(name="echo", token="t", worker=worker), _Admission()
    settings = EngineSettings(max_body=100_000, max_buffered=150_000, max_head=4000)
    return make_server(service, admission, settings, _INFO), admission


_SERVER, _ADMISSION = _make_server()


def http(data: bytes) -> None:
    """What a client sends; the first byte says in which pieces it arrives."""
    if not data:
        return
    for held in (_ADMISSION.submitted, _ADMISSION.withdrawn, _ADMISSION.bodies):
        held.clear()
    _ADMISSION.at_once = not data[0] & 1
    client = FakeClient(_SERVER)
    client.send(data[1:], _PIECES[(data[0] >> 1) % len(_PIECES)])
    for request in _ADMISSION.submitted:
        request.answer(0, [b"late"])
    statuses = {int(status) for status in _STATUS_LINE.findall(client.transport.written)}
    assert statuses <= _EXPECTED, statuses
    client.connection.check_time(client.connection.since + 1000)
    client.leave()
    assert _SERVER.budget.free == _SERVER.budget.limit
    assert not _SERVER.connections and not _ADMISSION.watched


def _frames_of(data: bytes, piece: int) -> list[Any]:
    deframer, frames = Deframer(), []
    for start in range(0, len(data), piece or len(data)):
        frames += deframer.feed(data[start : start + (piece or len(data))])
    return [(*head, b"".join(payload)) for *head, payload in frames]


def frames(data: bytes) -> None:
    """What a process at the link sends: the same frames in whatever pieces."""
    if not data:
        return
    whole, piece = _frames_of(data, 0), _PIECES[data[0] % len(_PIECES)]
    # A deadline may be a NaN, which equals nothing.
    assert repr(whole) == repr(_frames_of(data, piece))


def codec(data: bytes) -> None:
    """What a worker, and what the SDK, is sent as a message."""
    for decode in (decode_request, decode_response, read_prediction_log):
        _decode(decode, data)
    for number in (TENSOR_PROTO, CLASSIFY_PROTO, MULTI_INFERENCE):
        _decode(partial(find(number).decode, target=_Anything()), data)


class _Anything(Target):
    """A model that takes every name."""

    def input_names(self, signature_name: str) -> None:
        return None

    def example_outputs(self, signature_name: str, method: str) -> list[str]:
        return ["classes"]

    def example_tensors(self, signature_name: str, method: str) -> tuple[str, dict[str, str]]:
        return "examples:0", {"classes": "classes:0"}


def _decode(decode: Callable[[Any], object], data: bytes | memoryview) -> None:
    try:
        decode(data)
    except (WireError, CodecError) as refusal:
        assert refusal.code in ("INVALID_ARGUMENT", "UNIMPLEMENTED") and str(refusal).encode()


TARGETS: dict[str, Callable[[bytes], None]] = {
    "http": http,
    "frames": frames,
    "codec": codec,
    "http2": http2,
    "http2_ngh2": http2_versus_ngh2,
}

LOGGER = "eas_processor.engine"
"""Says a line for what it refuses: too many for a fuzz; a fault is seen by its answer, 500."""


def folder(target: str) -> Path:
    """Return where the seeds of `target` are; both of HTTP/2 share theirs."""
    return SEEDS / target.partition("_")[0]


def seeds(target: str) -> list[bytes]:
    """Return the inputs that mutations of `target` begin with."""
    return [path.read_bytes() for path in sorted(folder(target).iterdir())]


def mutations_for(target: str, count: int, seed: int) -> Iterator[bytes]:
    """Yield `count` mutations of its seeds, by what knows their format."""
    mutate = streams if target.startswith("http2") else mutations
    return mutate(seeds(target), count, seed)
