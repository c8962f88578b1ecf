"""A gRPC endpoint: its request, a check of its answer, and load with processor time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import eas_wire as wire
from benchmarks.checkout import processor_s
from benchmarks.contender import Unavailable
from benchmarks.in_turn import Figures
from eas_processor.bench.grpc.call import build_calls
from eas_processor.bench.grpc.one_call import call_once
from eas_processor.bench.load import Plan, run_load
from eas_processor.bench.summary import percentile
from eas_processor.bench.target import Target, parse_url
from eas_processor.codecs.tensor_proto.requests import write_predict_request
from eas_processor.errors import BenchError

TIMEOUT_S = 30.0


def predict_request(rows: np.ndarray, model: str) -> bytes:
    """Return a `PredictRequest` for rows of images."""
    request = wire.Request("serving_default", {"images": wire.Tensor(wire.DT_FLOAT, rows)}, [])
    return write_predict_request(request, model, as_content=True)


@dataclass
class GrpcEndpoint:
    """The URL of a Predict method, and its request."""

    url: str
    message: bytes = field(repr=False)
    token: str = ""
    pid: int = 0
    """The process of the server, while `contender.server` runs it."""

    @property
    def target(self) -> Target:
        """The target of its URL."""
        return parse_url(self.url)

    def ask(self) -> bytes:
        """Return the answer to one call. Raises Unavailable unless it is OK."""
        (call,) = build_calls(self.target, [self.message], token=self.token)
        try:
            answer = call_once(self.target, call, TIMEOUT_S)
        except BenchError as error:
            raise Unavailable(str(error)) from error
        if answer.status:
            name = self.target.statuses.name(answer.status)
            raise Unavailable(f"{self.url}: {name} {answer.text[:200]}")
        return answer.message

    def calls(self, timeouts: Sequence[float] = (), *, indexed: bool = False) -> list[Any]:
        """Return prebuilt calls, as `build_calls` makes them."""
        return build_calls(
            self.target, [self.message], token=self.token, timeouts=timeouts, indexed=indexed
        )


def measured(
    target: Target, requests: Sequence[Any], plan: Plan, processes: Mapping[str, Sequence[int]]
) -> Figures:
    """
    Load a target. Return requests/s, latencies in ms, and µs per request of each process group.

    The processor time covers all requests, so the plan must have no warm-up. Raises Unavailable if
    any request fails.
    """

    def load() -> Figures:
        try:
            result = run_load(target, requests, plan)
        except BenchError as error:
            raise Unavailable(str(error)) from error
        if result.failed or not result.good:
            raise Unavailable(f"{result.failed} requests failed: {result.statuses} {result.errors}")
        ordered = sorted(result.latencies)
        return {
            "throughput": result.throughput,
            "requests": result.answers,
            "p50": percentile(ordered, 50) * 1000,
            "p99": percentile(ordered, 99) * 1000,
        }

    return with_processor_time(load, processes)


def with_processor_time(
    load: Callable[[], Figures], processes: Mapping[str, Sequence[int]]
) -> Figures:
    """Return the figures of a load, and the µs per request of each group of processes."""
    before = {name: sum(map(processor_s, pids)) for name, pids in processes.items()}
    found = load()
    for name, pids in processes.items():
        spent = sum(map(processor_s, pids)) - before[name]
        found[name] = spent / found["requests"] * 1e6
    return found
