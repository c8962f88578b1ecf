"""
What a client sends, and what has to come of it: the form of all cases, and their judge.

A case is sent behind a good beginning of a connection, and a call on another stream follows where
the connection is to live on: its answer shows that the case is over and did no harm.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest
from frontends.grpc.http2.raw_client import Code, Frame, Kind, RawClient, call, message

PROBE = 2**30 + 1
"""The stream of the call that follows: above those of all cases."""


class GoAway(NamedTuple):
    """The connection ends with this error."""

    code: Code


class Closed(NamedTuple):
    """The connection ends, with GOAWAY or without: nothing says that this is HTTP/2."""


class Reset(NamedTuple):
    """The server resets the stream, and the connection lives on."""

    code: Code
    stream: int = 1


class Status(NamedTuple):
    """The call ends with this gRPC status, and the connection lives on."""

    code: int
    stream: int = 1


class HttpStatus(NamedTuple):
    """The stream is answered as HTTP does, for what is no gRPC call."""

    code: int
    stream: int = 1


class Ignored(NamedTuple):
    """Nothing comes of it."""


Outcome = GoAway | Closed | Reset | Status | HttpStatus | Ignored
ANSWERED = Status(0)


class Case(NamedTuple):
    """`sent` and any of the outcomes that the RFC leaves open."""

    section: str
    what: str
    sent: bytes
    expected: tuple[Outcome, ...]
    pairs: tuple[tuple[int, int], ...] = ()
    """The client's settings."""


def case(
    section: str, what: str, sent: bytes | Iterable[bytes], *expected: Outcome, **more: Any
) -> Any:
    """Return a case as a parameter of a test, named by its section and what it does."""
    joined = sent if isinstance(sent, bytes) else b"".join(sent)
    return pytest.param(Case(section, what, joined, expected, **more), id=f"{section} {what}")


def judge(address: tuple[str, int], case: Case) -> RawClient:
    """Send the case, and fail where what came of it was not expected; return the client."""
    with RawClient(address, *case.pairs) as client:
        client.send(case.sent)
        ends = all(isinstance(each, GoAway | Closed) for each in case.expected)
        if not ends:
            client.send(call(b"probe", PROBE))
        streams = {each.stream for each in case.expected if hasattr(each, "stream")}
        if ends:
            client.read_to_end()
        else:
            client.read_until(
                lambda: client.has_ended(PROBE) and all(map(client.has_ended, streams))
            )
        seen = outcomes(client)
        assert any(each in seen for each in case.expected), f"{seen} for {case.expected}"
        if not client.of(Kind.GOAWAY):
            assert client.payload(PROBE) == message(b"probe")
            assert Status(0, PROBE) in seen
    return client


def outcomes(client: RawClient) -> set[Outcome]:
    """Return what has come of all that the client sent."""
    seen: set[Outcome] = set()
    if client.closed:
        seen.add(Closed())
        seen |= {GoAway(Code(each.number)) for each in client.of(Kind.GOAWAY)}
    seen |= {Reset(Code(each.number), each.stream) for each in client.of(Kind.RST_STREAM)}
    seen |= {_answer(client, each) for each in client.frames if each.ends}
    if not any(each.stream not in (0, PROBE) for each in client.frames) and not client.closed:
        seen.add(Ignored())
    return seen


def _answer(client: RawClient, last: Frame) -> Outcome:
    fields = client.fields(last.stream)
    if b"grpc-status" in fields:
        return Status(int(fields[b"grpc-status"]), last.stream)
    return HttpStatus(int(fields[b":status"]), last.stream)
