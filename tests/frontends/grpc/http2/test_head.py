"""Heads that differ in what varies from call to call are one."""

from __future__ import annotations

import pytest

from eas_processor.frontends.grpc.http2.head import Fields, Heads

PSEUDO: Fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/a.B/C")]
REST: Fields = [(b"content-type", b"application/grpc"), (b"te", b"trailers")]


def traced(number: int) -> Fields:
    return [(b"traceparent", b"00-%032x-%016x-01" % (number, number)), (b"baggage", b"a=1")]


def test_what_tracing_adds_makes_no_new_head() -> None:
    heads = Heads()
    plain = heads.find([*PSEUDO, *REST])
    for number in range(3):
        assert heads.find([*PSEUDO, *traced(number), *REST]) is plain
    late = heads.find([*PSEUDO, *REST, *traced(4), (b"grpc-timeout", b"1S")])
    assert (late.key, late.timeout) == (plain.key, 1.0)


def test_what_is_read_makes_another_head() -> None:
    heads = Heads()
    found = {
        heads.find([*PSEUDO, *REST, *more]).key
        for more in ([], [(b"authorization", b"a")], [(b"authorization", b"b")])
    }
    assert len(found) == 3


@pytest.mark.parametrize(
    "fields",
    [
        [*traced(1), *PSEUDO, *REST],
        [*PSEUDO[:2], *traced(1)[:1], *PSEUDO[2:], *REST],
        [*PSEUDO, *REST, (b"traceparent", b"a\nb")],
        [*PSEUDO, *REST, (b"Traceparent", b"ab")],
    ],
    ids=["all before", "one between", "odd value", "upper case"],
)
def test_what_is_malformed_with_it_stays_so(fields: Fields) -> None:
    heads = Heads()
    heads.find([*PSEUDO, *REST])
    assert heads.find(fields).malformed
