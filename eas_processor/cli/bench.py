"""`eascmd bench`: load an endpoint, or a service file's service, and show what came back."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import requests
from rich.console import Console

from eas_processor.bench.load import Plan, Result, run_load
from eas_processor.bench.summary import facts, lines
from eas_processor.bench.target import PROTOBUF, build_requests, parse_url
from eas_processor.cli.bench_bodies import bodies_from_file, body_from_signature
from eas_processor.cli.bench_service import running
from eas_processor.config import load_service, read_warm_up
from eas_processor.errors import BenchError

_SHOWN = 300


@dataclass(frozen=True)
class Options:
    """What the command line says besides the plan; a token of None is looked for."""

    body: Path | None = None
    rows: int = 1
    token: str | None = None
    content_type: str = PROTOBUF
    as_json: bool = False


def bench(endpoint: str, plan: Plan, options: Options) -> None:
    """
    Load `endpoint`, a URL or the path of a service file, and print the figures.

    Raises BenchError when the endpoint cannot be reached or refuses the first request, and after
    the figures when any request failed or could not be sent in time.
    """
    with _endpoint(endpoint) as (url, kept_token, warm_up):
        token = options.token
        if token is None:
            token = os.environ.get("EAS_TOKEN") or kept_token
        target = parse_url(url)
        if options.body is not None:
            bodies = bodies_from_file(options.body)
        else:
            bodies = warm_up or [body_from_signature(_signature(url, token, plan), options.rows)]
        if options.content_type == PROTOBUF and all(each.startswith(b"{") for each in bodies):
            options = replace(options, content_type="application/json")  # lines of JSON
        payloads = build_requests(target, bodies, token=token, content_type=options.content_type)
        _try_once(url, token, bodies[0], options, plan)
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


def _length(plan: Plan) -> str:
    return f"{plan.requests:,} requests" if plan.requests else f"{plan.warm_up + plan.duration:g} s"


def _wrong(result: Result) -> str:
    """Return what went wrong, in words; '' for nothing."""
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
        raise BenchError(f"{named} is neither a URL (http://...) nor a file")
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


def _signature(url: str, token: str, plan: Plan) -> bytes:
    return _ask("GET", url, token, None, PROTOBUF, plan)


def _try_once(url: str, token: str, body: bytes, options: Options, plan: Plan) -> None:
    _ask("POST", url, token, body, options.content_type, plan)


def _ask(
    method: str, url: str, token: str, body: bytes | None, content_type: str, plan: Plan
) -> bytes:
    """Return the answer to one request; raises BenchError unless its status is 2xx."""
    headers = {"Authorization": token} if token else {}
    if body is not None:
        headers["Content-Type"] = content_type
    try:
        with requests.Session() as session:
            session.trust_env = False  # neither a proxy nor a .netrc is part of what is measured
            answer = session.request(method, url, data=body, headers=headers, timeout=plan.timeout)
    except (requests.RequestException, UnicodeError) as error:
        reason = "nobody listens there" if "refused" in str(error) else str(error)
        raise BenchError(f"cannot ask {url}: {reason}") from error
    if answer.ok:
        return answer.content
    hint = {
        401: "; give the service's token with --token or EAS_TOKEN",
        404: "; the path is /api/predict/SERVICE",
    }.get(answer.status_code, "")
    said = answer.text[:_SHOWN].strip() or answer.reason
    raise BenchError(f"{method} {url} is answered with {answer.status_code}: {said}{hint}")
