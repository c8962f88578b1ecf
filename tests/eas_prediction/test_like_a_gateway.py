"""What the client does with everything that the gateway of a service is known to answer."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import NamedTuple

import pytest
from fleet import eventually

from eas_prediction import (
    BadResponse,
    ConnectionLost,
    Overloaded,
    PredictClient,
    PredictException,
    Refused,
    RetryPolicy,
    ServiceFailed,
    StringRequest,
    TimedOut,
    Unauthorized,
)

pytestmark = pytest.mark.medium

AT_ONCE = RetryPolicy(backoff=0)
NO_UPSTREAM = b"no healthy upstream"
TOO_SLOW = b"upstream request timeout"
RESET = b"upstream connect error or disconnect/reset before headers"


class Case(NamedTuple):
    """The gateway's first answer, again and again; what is raised, after how many attempts."""

    name: str
    answer: tuple[object, ...]
    raised: type[PredictException] | None
    code: int
    attempts: int
    says: str


CASES = [
    Case("fine", ("status", 200, b"fine"), None, 200, 1, ""),
    Case("fine, in chunks", ("chunks",), None, 200, 1, ""),
    Case("moved", ("status", 301), Refused, 301, 1, "redirects to http://else/; set that as"),
    Case("found", ("status", 302), Refused, 302, 1, "redirects to http://else/"),
    Case("to GET", ("status", 303), Refused, 303, 1, "redirects to http://else/"),
    Case("temporary", ("status", 307), Refused, 307, 1, "redirects to http://else/"),
    Case("permanent", ("status", 308), Refused, 308, 1, "redirects to http://else/"),
    Case("bad body", ("status", 400, b"input 'x'"), Refused, 400, 1, "input 'x'"),
    Case("no token", ("status", 401, b"Unauthorized"), Unauthorized, 401, 1, "Unauthorized"),
    Case("not listed", ("status", 403, b""), Unauthorized, 403, 1, "403 Forbidden"),
    Case("no service", ("status", 404, b"not found"), Refused, 404, 1, "not found"),
    Case("keepalive over", ("status", 408, b"too long"), TimedOut, 408, 1, "too long"),
    Case("too large", ("status", 413, b"too large"), Refused, 413, 1, "too large"),
    Case("rate limit", ("status", 429, b"slow down"), Overloaded, 429, 5, "slow down"),
    Case("queue full", ("status", 450, b"queue full"), Overloaded, 450, 5, "queue full"),
    Case("queue full, no word", ("status", 450), Overloaded, 450, 5, "answered 450"),
    Case("closed by client", ("status", 499), Refused, 499, 1, "answered 499"),
    Case("error", ("status", 500, b"error"), ServiceFailed, 500, 5, "error"),
    Case("bad gateway", ("status", 502, RESET), ServiceFailed, 502, 5, "disconnect/reset"),
    Case("none ready", ("status", 503, NO_UPSTREAM), ServiceFailed, 503, 5, "no healthy upstream"),
    Case("upstream slow", ("status", 504, TOO_SLOW), ServiceFailed, 504, 5, "request timeout"),
    Case("load test", ("status", 512), ServiceFailed, 512, 5, "answered 512"),
    Case("cut", ("cut",), ConnectionLost, 500, 5, "the connection was lost"),
    Case("reset", ("reset",), ConnectionLost, 500, 5, "the connection was lost"),
    Case("cut in the head", ("cut_in_the_head",), ConnectionLost, 500, 5, "connection was lost"),
    Case("cut in the body", ("cut_in_the_body",), ConnectionLost, 500, 5, "connection was lost"),
    Case("cut in a chunk", ("cut_in_a_chunk",), ConnectionLost, 500, 5, "connection was lost"),
    Case("not HTTP", ("not_http",), BadResponse, 500, 1, "not HTTP/1.1: '220 mail.example"),
    Case("silence", ("silence",), TimedOut, 500, 1, "no answer within 0.3 s"),
    Case("a byte at a time", ("drip",), TimedOut, 500, 1, "no answer within 0.3 s"),
]


def answer_of(service, case):
    kind, *given = case.answer
    answer = getattr(service, kind)
    return answer(*given, Location="http://else/") if given else answer


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_for_ever(service, case):
    service.usual = answer_of(service, case)
    with PredictClient(service.address, "svc", retry_policy=AT_ONCE) as client:
        client.set_token("tok")
        client.set_timeout(300 if case.raised is TimedOut and case.code == 500 else 5000)
        if case.raised is None:
            assert str(client.predict(StringRequest("abc"))) == "fine"
        else:
            with pytest.raises(case.raised) as error:
                client.predict(StringRequest("abc"))
            assert type(error.value) is case.raised
            assert error.value.code == case.code
            assert case.says in error.value.message
    assert len(service.requests) == case.attempts
    assert {each.body for each in service.requests} == {b"abc"}


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.attempts > 1], ids=lambda case: case.name
)
def test_once(service, case):
    """What is tried again succeeds when the gateway has recovered."""
    service.answers = [answer_of(service, case)]
    with PredictClient(service.address, "svc", retry_policy=AT_ONCE) as client:
        assert str(client.predict(StringRequest("abc"))) == "fine"
    assert len(service.requests) == 2


def test_redirects_are_not_followed_with_the_token(service):
    service.answers = [service.status(307, Location=service.address + "/elsewhere")]
    with PredictClient(service.address, "svc") as client, pytest.raises(Refused):
        client.set_token("tok")
        client.predict(StringRequest("abc"))
    assert [each.path for each in service.requests] == ["/api/predict/svc"]


@pytest.mark.parametrize("status", [429, 450, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_waited_for(service, status, form, monkeypatch):
    pauses = []
    monkeypatch.setattr("tenacity.nap.time.sleep", pauses.append)
    when = "20" if form == "seconds" else formatdate(time.time() + 20, usegmt=True)
    service.answers = [service.status(status, Retry_After=when)]
    with PredictClient(service.address, "svc", retry_policy=AT_ONCE, timeout=60_000) as client:
        assert str(client.predict(StringRequest("abc"))) == "fine"
    (pause,) = pauses
    assert pause == 20 if form == "seconds" else 10 < pause <= 20


def test_retry_after_beyond_the_timeout_is_an_error_at_once(service):
    service.usual = service.status(429, b"slow down", Retry_After="60")
    with PredictClient(service.address, "svc") as client, pytest.raises(Overloaded) as error:
        client.predict(StringRequest("abc"))
    assert error.value.retry_after == 60
    assert len(service.requests) == 1


@pytest.mark.parametrize(("size", "raised"), [(1 << 20, None), ((1 << 20) + 1, Refused)])
def test_one_megabyte_is_the_gateways_limit(service, size, raised):
    service.longest_body = 1 << 20
    with PredictClient(service.address, "svc") as client:
        if raised is None:
            client.predict(StringRequest(bytes(size)))
        else:
            with pytest.raises(raised, match="body larger than 1 MB") as error:
                client.predict(StringRequest(bytes(size)))
            assert error.value.code == 413
        assert str(client.predict(StringRequest("abc"))) == "fine"
    assert len(service.requests) == 2


def test_a_gateway_that_closes_idle_connections(service):
    service.answers = [service.close_silently_afterwards] * 5
    once = RetryPolicy(attempts=1)
    with PredictClient(service.address, "svc", retry_policy=once) as client:
        for _ in range(5):
            assert str(client.predict(StringRequest("abc"))) == "last"
            (host,) = client.transport._hosts.values()
            eventually(lambda host=host: all(each.is_over() for each in host._idle._waiting))
        assert str(client.predict(StringRequest("abc"))) == "fine"
