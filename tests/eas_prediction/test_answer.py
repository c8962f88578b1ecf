from __future__ import annotations

from email.utils import formatdate

import pytest

from eas_prediction._answer import failure_of
from eas_prediction.exception import (
    Overloaded,
    Refused,
    ServiceFailed,
    TimedOut,
    Unauthorized,
)

NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("status", "kind", "transient"),
    [
        (302, Refused, False),
        (400, Refused, False),
        (401, Unauthorized, False),
        (403, Unauthorized, False),
        (404, Refused, False),
        (408, TimedOut, False),
        (413, Refused, False),
        (429, Overloaded, True),
        (450, Overloaded, True),
        (500, ServiceFailed, True),
        (502, ServiceFailed, True),
        (503, ServiceFailed, True),
        (504, ServiceFailed, True),
        (599, ServiceFailed, True),
    ],
)
def test_kind_of_failure(status, kind, transient):
    failure = failure_of(status, {}, b"reason")
    assert (type(failure), failure.code, failure.transient) == (kind, status, transient)


@pytest.mark.parametrize(
    ("status", "headers", "body", "message"),
    [
        (400, {}, b"input 'x' is missing\n", "input 'x' is missing"),
        (400, {}, "größer".encode(), "größer"),
        (400, {}, b"\xff", "�"),
        (503, {}, b"", "the service answered 503 Service Unavailable without an explanation"),
        (
            401,
            {},
            b"",
            "the token is missing or wrong (see set_token): "
            "the service answered 401 without an explanation",
        ),
        (401, {}, b"wrong token: no", "wrong token: no"),
        (450, {}, b"", "the service answered 450 without an explanation"),
        (
            301,
            {"Location": "https://b/"},
            b"",
            "the service redirects to https://b/; set that as the endpoint if it is the right one",
        ),
    ],
)
def test_message(status, headers, body, message):
    assert failure_of(status, headers, body).message == message


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        (formatdate(NOW + 7, usegmt=True), 7.0),
        (formatdate(NOW - 7, usegmt=True), 0.0),
        ("soon", None),
        ("-1", None),
    ],
)
def test_retry_after(monkeypatch, header, seconds):
    monkeypatch.setattr("time.time", lambda: float(NOW))
    assert failure_of(429, {"retry-AFTER": header}, b"").retry_after == seconds
