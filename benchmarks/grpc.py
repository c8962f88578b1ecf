"""
Compares gRPC of this project with grpcio's servers, and with `/api/predict` of the same engine.

    python -m benchmarks.grpc [--parts echo deadlines client predict] [--rounds 10] [--seconds 2]

`echo` measures the processor time of a call, with 32 calls of 3.2 KB in flight on one connection
and a worker that answers 60 bytes. `deadlines` compares calls with different deadlines, as from
clients in Go, with calls of equal deadlines. `client` measures the p50 of grpcio's stub, one call
at a time, with a deadline of 10 s. `predict` sends rows to the 784-256-10 model with h2load. The
servers of a part run at the same time and are loaded in turn.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.console import tell
from benchmarks.contender import Endpoint, Unavailable
from benchmarks.grpc_endpoint import GrpcEndpoint, measured, predict_request, with_processor_time
from benchmarks.grpc_servers import Engine, engine, grpcio, stub_p50
from benchmarks.h2load import h2load
from benchmarks.in_turn import Figures, Rounds, in_turn, ratio, ratio_text, table
from benchmarks.parts import Found, run_parts
from benchmarks.service import body, read_scores
from eas_processor.bench.load import Plan
from eas_processor.bench.target import PREDICT, build_requests, parse_url

OURS, EAS = "eas, gRPC", "eas, /api/predict"
SYNC, AIO = "grpcio, threads", "grpcio, asyncio"
IN_FLIGHT = 32
_PREFIX = 5
"""The length of the prefix of each message, in bytes."""
Sides = dict[str, Callable[[], Figures]]
_ECHO_FIGURES = [
    ("server", "µs of the process that answers"),
    ("worker", "µs of the worker"),
    ("throughput", "calls/s"),
    ("p50", "ms p50"),
]

_PREDICT_FIGURES = [("throughput", "requests/s"), *_ECHO_FIGURES[:2]]


def _goal(found: Rounds, figure: str, one: str, other: str, goal: str) -> str:
    return f"  {figure}, {one} / {other}: {ratio_text(ratio(found, figure, one, other))}; {goal}"


def _grpc(endpoint: GrpcEndpoint, calls: Any, plan: Plan, workers: Any = ()) -> Figures:
    processes = {"server": [endpoint.pid], "worker": workers}
    return measured(endpoint.target, calls, plan, processes)


def _eas(running: Engine, seconds: float) -> Figures:
    endpoint = running.eas
    target = parse_url(endpoint.url)
    requests = build_requests(target, [endpoint.body], token=endpoint.token)
    plan = Plan(IN_FLIGHT, duration=seconds, warm_up=0)
    processes = {"server": [endpoint.pid], "worker": running.workers}
    return measured(target, requests, plan, processes)


def echo(work: Path, rounds: int, seconds: float) -> Found:
    """Measure the processor time of a call with 32 in flight on one connection."""
    plan = Plan(concurrency=IN_FLIGHT, duration=seconds, warm_up=0)
    with _echoes(work) as (ours, peers):
        sides: Sides = {
            OURS: functools.partial(_grpc, ours.grpc, ours.grpc.calls(), plan, ours.workers),
            EAS: functools.partial(_eas, ours, seconds),
        }
        for name, peer in peers.items():
            sides[name] = functools.partial(_grpc, peer, peer.calls(), plan)
        found = in_turn(sides, rounds, "echo")
    lines = [
        *table(found, _ECHO_FIGURES),
        _goal(found, "server", OURS, SYNC, "to be at most 0.125"),
        _goal(found, "server", OURS, AIO, "to be at most 0.083"),
        _goal(found, "server", OURS, EAS, "to be at most 1.2"),
    ]
    return {"echo": found}, lines


def deadlines(work: Path, rounds: int, seconds: float) -> Found:
    """Measure the processor time of calls with different deadlines."""
    plan = Plan(concurrency=IN_FLIGHT, duration=seconds, warm_up=0)
    varying = [10 + number / 1009 for number in range(5000)]
    given = {"equal deadlines": [10.0] * len(varying), "varying deadlines": varying}
    with _engine(work, echo=True) as ours:
        sides: Sides = {}
        for name, timeouts in given.items():
            calls = ours.grpc.calls(timeouts, indexed=True)
            sides[name] = functools.partial(_grpc, ours.grpc, calls, plan, ours.workers)
        found = in_turn(sides, rounds, "deadlines")
    lines = [
        *table(found, _ECHO_FIGURES),
        _goal(found, "server", "varying deadlines", "equal deadlines", "to be at most 1.8"),
    ]
    return {"deadlines": found}, lines


def client(work: Path, rounds: int, seconds: float) -> Found:
    """Measure the latency of calls by grpcio's stub."""
    with _echoes(work) as (ours, peers):
        sides: Sides = {
            name: lambda each=endpoint: {"p50": stub_p50(each, seconds)}  # type: ignore[misc]
            for name, endpoint in {OURS: ours.grpc, **peers}.items()
        }
        found = in_turn(sides, rounds, "client")
    lines = table(found, [("p50", "ms p50")])
    lines += [_goal(found, "p50", OURS, name, "to be at most 0.65") for name in peers]
    return {"client": found}, lines


def predict(work: Path, rounds: int, seconds: float) -> Found:
    """Measure requests/s of the model with 1, 8, 32 and 128 in flight, by h2load."""
    known = np.load(work / "rows.npz")
    row, scores = known["images"][:1], known["scores"][0]
    peer_message = predict_request(row, "mlp")
    with (
        _engine(work) as ours,
        grpcio("grpc_aio_server.py", work, peer_message) as peer,
    ):
        for endpoint in (ours.grpc, peer):
            # Both tensor_content and float_val contain the scores as they are in memory.
            if not has_scores(endpoint.ask(), scores):
                raise Unavailable(f"{endpoint.url} does not answer the scores of the model")
        Endpoint(ours.eas.url, ours.eas.body, read_scores, token=ours.eas.token).check(scores)
        found = {}
        lines = []
        for count in (1, 8, 32, 128):
            sides = _h2loads(work, ours, peer, count, seconds)
            now = found[f"predict, {count} in flight"] = in_turn(
                sides, rounds, f"{count} in flight"
            )
            lines += [f" {count} in flight", *table(now, _PREDICT_FIGURES)]
            lines.append(_goal(now, "throughput", OURS, EAS, "to be at least 0.9"))
            goal = "to be at least 8" if count == IN_FLIGHT else "no goal"
            lines.append(_goal(now, "throughput", OURS, AIO, goal))
    return found, lines


def has_scores(answer: bytes, scores: np.ndarray) -> bool:
    """Tell whether an answer of one row has the model's scores, up to rounding."""
    size = scores.nbytes
    places = range(len(answer) - size + 1)
    found = (np.frombuffer(answer[start : start + size], np.float32) for start in places)
    return any(np.allclose(each, scores, rtol=1e-4, atol=1e-6) for each in found)


def _h2loads(work: Path, ours: Engine, peer: GrpcEndpoint, count: int, seconds: float) -> Sides:
    loads: Sides = {}
    for name, endpoint in {OURS: ours.grpc, AIO: peer}.items():
        message = work / f"{endpoint.target.port}.message"
        message.write_bytes(endpoint.calls()[0].message)
        headers = {"content-type": "application/grpc", "te": "trailers"}
        if endpoint.token:
            headers["authorization"] = endpoint.token
        url = f"http://{endpoint.target.authority}{PREDICT}"
        answer = len(endpoint.ask()) + _PREFIX
        loads[name] = functools.partial(
            h2load, url, message, headers, seconds, streams=count, answer=answer
        )
    plain = work / "request"
    plain.write_bytes(ours.eas.body)
    headers = {"authorization": ours.eas.token}
    loads[EAS] = functools.partial(
        h2load, ours.eas.url, plain, headers, seconds, connections=count, http1=True
    )
    own = {"server": [ours.eas.pid], "worker": ours.workers}
    return {
        name: functools.partial(
            with_processor_time, load, {"server": [peer.pid], "worker": []} if name == AIO else own
        )
        for name, load in loads.items()
    }


@contextlib.contextmanager
def _engine(work: Path, *, echo: bool = False) -> Any:
    row = np.load(work / "rows.npz")["images"][:1]
    tell("starting the engine")
    with engine(work, predict_request(row, "bench"), body(row), echo=echo) as running:
        running.grpc.ask()
        yield running


@contextlib.contextmanager
def _echoes(work: Path) -> Any:
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(_engine(work, echo=True))
        peers = {
            name: stack.enter_context(grpcio("grpc_echo.py", work, ours.grpc.message, [kind]))
            for name, kind in ((SYNC, "sync"), (AIO, "aio"))
        }
        yield ours, peers


PARTS = {"echo": echo, "deadlines": deadlines, "client": client, "predict": predict}


if __name__ == "__main__":
    sys.exit(run_parts("benchmarks.grpc", __doc__, PARTS))
