"""
Loads a running TensorFlow Serving with the load generator of the other benchmarks.

    python -m benchmarks.tfserving http://HOST:8501/v1/models/NAME:predict [--grpc HOST:8500]

It reads the model's signature, sends random rows by REST in the row format, and prints the same
figures as `eascmd bench`. With --grpc, it also sends them by gRPC on one connection, with the same
number of calls in flight.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
from dataclasses import replace
from typing import Any

import numpy as np

import eas_wire as wire
from eas_processor.bench.grpc.call import build_calls
from eas_processor.bench.grpc.one_call import call_once
from eas_processor.bench.load import Plan, Result, run_load
from eas_processor.bench.summary import facts, lines
from eas_processor.bench.target import Target, build_requests, parse_url
from eas_processor.codecs.tensor_proto.requests import write_predict_request
from eas_processor.errors import BenchError

TYPES = {
    "DT_FLOAT": np.float32,
    "DT_DOUBLE": np.float64,
    "DT_INT32": np.int32,
    "DT_INT64": np.int64,
}
DTYPES = {np.dtype(kind).name: name for name, kind in TYPES.items()}


def ask(target: Target, method: str, path: str, body: bytes | None = None) -> Any:
    """Return the JSON answer to one request. Raises BenchError unless its status is 200."""
    connection = http.client.HTTPConnection(target.host, target.port, timeout=30)
    where = f"{method} http://{target.authority}{path}"
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise BenchError(f"{where} is answered with {answer.status}: {content[:300]!r}")
        return json.loads(content)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise BenchError(f"cannot ask {where}: {error}") from error
    finally:
        connection.close()


def random_inputs(metadata: Any, name: str, rows: int) -> dict[str, np.ndarray]:
    """Return arrays of `rows` rows for a signature. Other unknown dimensions are 1."""
    try:
        signatures = metadata["metadata"]["signature_def"]["signature_def"]
        inputs = signatures[name]["inputs"]
    except (KeyError, TypeError):
        raise BenchError(
            f"the model has no signature {name!r}; name one with --signature"
        ) from None
    random = np.random.default_rng(0)
    arrays = {}
    for key, tensor in inputs.items():
        if tensor["dtype"] not in TYPES:
            raise BenchError(
                f"input {key!r} is {tensor['dtype']}, and random data is made for "
                f"{', '.join(TYPES)}; give requests to `eascmd bench --body` instead"
            )
        sizes = [int(dim["size"]) for dim in tensor["tensor_shape"].get("dim", [])]
        shape = [rows, *(max(1, size) for size in sizes[1:])]
        arrays[key] = random.random(shape).astype(TYPES[tensor["dtype"]])
    return arrays


def rest_body(arrays: dict[str, np.ndarray], signature: str) -> bytes:
    """Return the request in TensorFlow Serving's row format."""
    if len(arrays) == 1:
        instances = next(iter(arrays.values())).tolist()
    else:
        columns = [array.tolist() for array in arrays.values()]
        instances = [dict(zip(arrays, row, strict=True)) for row in zip(*columns, strict=True)]
    return json.dumps({"signature_name": signature, "instances": instances}).encode()


def grpc_load(
    address: str, model: str, signature: str, arrays: dict[str, np.ndarray], plan: Plan
) -> Result:
    """Load the gRPC port. Raises BenchError if it refuses the first call."""
    target = parse_url(f"grpc://{address}/{model}")
    inputs = {
        key: wire.Tensor(wire.dtype_number(DTYPES[array.dtype.name]), array)
        for key, array in arrays.items()
    }
    message = write_predict_request(wire.Request(signature, inputs, []), model, as_content=True)
    calls = build_calls(target, [message])
    answer = call_once(target, calls[0], plan.timeout)
    if answer.status:
        status = target.statuses.name(answer.status)
        raise BenchError(f"{address} refuses the first call: {status} {answer.text}")
    return run_load(target, calls, plan)


def show(what: str, result: Result, plan: Plan, *, as_json: bool) -> None:
    """Print the figures of one run."""
    if as_json:
        print(json.dumps({"what": what} | facts(result, plan)))
    else:
        print(what, *lines(result, plan), sep="\n")


def run(options: argparse.Namespace) -> None:
    """Load the given ports. Raises BenchError."""
    target = parse_url(options.url)
    model_path, colon, verb = target.path.rpartition(":")
    if verb != "predict" or not colon:
        raise BenchError(f"{options.url!r}: expected http://HOST:8501/v1/models/NAME:predict")
    metadata = ask(target, "GET", f"{model_path}/metadata")
    arrays = random_inputs(metadata, options.signature, options.rows)
    body = rest_body(arrays, options.signature)
    if "predictions" not in ask(target, "POST", target.path, body):
        raise BenchError(f"{options.url} does not answer with predictions")
    plan = Plan(connections=options.connections, duration=options.seconds)
    requests = build_requests(target, [body], content_type="application/json")
    result = run_load(target, requests, plan)
    show(f"REST, {options.url}", result, plan, as_json=options.json)
    failed = result.failed
    if options.grpc:
        name = model_path.partition("/models/")[2].partition("/")[0]
        several = replace(plan, connections=1, concurrency=plan.connections)
        grpc = grpc_load(options.grpc, name, options.signature, arrays, several)
        show(f"gRPC, {options.grpc}", grpc, several, as_json=options.json)
        failed += grpc.failed
    if failed:
        raise BenchError(f"{failed:,} requests failed")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.tfserving", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("url", help="http://HOST:8501/v1/models/NAME:predict")
    parser.add_argument("--grpc", metavar="HOST:PORT", help="its gRPC port, measured too")
    parser.add_argument("--signature", default="serving_default", help="default: %(default)s")
    parser.add_argument("--rows", type=int, default=1, help="rows of a request (default: 1)")
    parser.add_argument("-c", "--connections", type=int, default=32, help="default: 32")
    parser.add_argument("--seconds", type=float, default=10.0, help="default: 10")
    parser.add_argument("--json", action="store_true", help="print JSON")
    try:
        run(parser.parse_args(arguments))
    except BenchError as error:
        print(f"benchmarks.tfserving: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
