"""The requests that `eascmd bench` sends over HTTP, tried once."""

from __future__ import annotations

from collections.abc import Sequence

import requests

from eas_processor.bench.target import PROTOBUF, build_requests, parse_url
from eas_processor.cli.bench_bodies import body_from_signature
from eas_processor.errors import BenchError

_SHOWN = 300
_HINTS = {
    401: "; give the service's token with --token or EAS_TOKEN",
    404: "; the path is /api/predict/SERVICE",
}


def random_body(url: str, token: str, timeout: float, rows: int) -> bytes:
    """Return a request of random data for the signature that a GET of `url` shows."""
    return body_from_signature(_ask("GET", url, token, None, PROTOBUF, timeout), rows)


def requests_of(
    url: str, token: str, timeout: float, bodies: Sequence[bytes], content_type: str
) -> list[bytes]:
    """Return a request for each body. Raises BenchError if the server refuses the first one."""
    if content_type == PROTOBUF and all(each.startswith(b"{") for each in bodies):
        content_type = "application/json"  # lines of JSON
    payloads = build_requests(parse_url(url), bodies, token=token, content_type=content_type)
    _ask("POST", url, token, bodies[0], content_type, timeout)
    return payloads


def _ask(
    method: str, url: str, token: str, body: bytes | None, content_type: str, timeout: float
) -> bytes:
    """Return the answer to one request. Raises BenchError unless its status is 2xx."""
    headers = {"Authorization": token} if token else {}
    if body is not None:
        headers["Content-Type"] = content_type
    try:
        with requests.Session() as session:
            session.trust_env = False  # proxies and .netrc are not part of the measurement
            answer = session.request(method, url, data=body, headers=headers, timeout=timeout)
    except (requests.RequestException, UnicodeError) as error:
        reason = "nothing listens there" if "refused" in str(error) else str(error)
        raise BenchError(f"{url} cannot be reached: {reason}") from error
    if answer.ok:
        return answer.content
    hint = _HINTS.get(answer.status_code, "")
    said = answer.text[:_SHOWN].strip() or answer.reason
    raise BenchError(f"{method} {url} was answered with {answer.status_code}: {said}{hint}")
