"""`eascmd bench`: load an endpoint, or the service of a service file, and print the figures."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from eas_processor.bench.load import Plan, Result, run_load
from eas_processor.bench.summary import facts, lines
from eas_processor.bench.target import PROTOBUF, parse_url
from eas_processor.cli.bench_bodies import bodies_from_file
from eas_processor.cli.bench_grpc import calls_of
from eas_processor.cli.bench_http import random_body, requests_of
from eas_processor.cli.bench_service import running
from eas_processor.config import load_service, read_warm_up
from eas_processor.errors import BenchError


@dataclass(frozen=True)
class Options:
    """The options besides the plan. If the token is None, it is looked up."""

    body: Path | None = None
    rows: int = 1
    token: str | None = None
    content_type: str = PROTOBUF
    inputs: str = ""
    as_json: bool = False


def bench(endpoint: str, plan: Plan, options: Options) -> None:
    """
    Load `endpoint`, a URL or the path of a service file, and print the figures.

    Raises BenchError if the endpoint cannot be reached or refuses the first request. Also raises
    it, after printing the figures, if any request failed or could not be sent in time.
    """
    with _endpoint(endpoint) as (url, kept_token, warm_up):
        token = options.token
        if token is None:
            token = os.environ.get("EAS_TOKEN") or kept_token
        target = parse_url(url)
        prepare = _calls if target.grpc else _requests
        payloads = prepare(url, token, warm_up, plan, options)
        with _progress(f"{url}: {_length(plan)}"):
            result = run_load(target, payloads, plan)
    if options.as_json:
        print(json.dumps({"url": url} | facts(result, plan), indent=2))
    else:
        print(url, *lines(result, plan), sep="\n")
    if wrong := _wrong(result):
        raise BenchError(wrong)
    if not result.good:
        raise BenchError("no answer came in time; give it a longer --duration")


def _requests(
    url: str, token: str, warm_up: list[bytes], plan: Plan, options: Options
) -> Sequence[Any]:
    if plan.concurrency or options.inputs:
        raise BenchError(
            "--concurrency and --inputs are for grpc://HOST:PORT/MODEL; over HTTP/1.1 there is one "
            "request at a time on a connection: give more of them with -c"
        )
    if options.body is not None:
        bodies = bodies_from_file(options.body)
    else:
        bodies = warm_up or [random_body(url, token, plan.timeout, options.rows)]
    return requests_of(url, token, plan.timeout, bodies, options.content_type)


def _calls(
    url: str, token: str, warm_up: list[bytes], plan: Plan, options: Options
) -> Sequence[Any]:
    if plan.concurrency and plan.concurrency < plan.connections:
        raise BenchError(
            f"--concurrency {plan.concurrency} is less than the {plan.connections} connections"
        )
    return calls_of(
        parse_url(url),
        token,
        plan.timeout,
        body=options.body,
        inputs=options.inputs,
        rows=options.rows,
    )


def _length(plan: Plan) -> str:
    return f"{plan.requests:,} requests" if plan.requests else f"{plan.warm_up + plan.duration:g} s"


def _wrong(result: Result) -> str:
    """Return a sentence about failed and unsent requests, '' if there are none."""
    total = result.failed + result.good + result.unsent
    parts = []
    if result.failed:
        parts.append(f"{result.failed:,} of {total:,} requests failed")
    if result.unsent:
        parts.append(f"{result.unsent:,} of {total:,} were not sent in time")
    return ", ".join(parts)


@contextlib.contextmanager
def _endpoint(named: str) -> Iterator[tuple[str, str, list[bytes]]]:
    """Yield URL, token and warm-up requests."""
    if "://" in named:
        yield named, "", []
        return
    path = Path(named)
    if not path.exists():
        raise BenchError(f"{named} is neither a URL (http://..., grpc://...) nor a file")
    warm_up = read_warm_up(load_service(path))
    with contextlib.ExitStack() as stack:
        with _progress(f"starting {path}"):
            served = stack.enter_context(running(path))
        yield served.url, served.token, warm_up


@contextlib.contextmanager
def _progress(text: str) -> Iterator[None]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(text):
        yield
