"""Which header lists are calls: RFC 9113, section 8, and gRPC's rules on top."""

from __future__ import annotations

import pytest
from frontends.grpc.http2.conformance.cases import (
    ANSWERED,
    Case,
    HttpStatus,
    Reset,
    Status,
    case,
    judge,
)
from frontends.grpc.http2.raw_client import (
    ECHO,
    REQUEST,
    Code,
    Fields,
    RawClient,
    data,
    headers,
    message,
    request,
)

MALFORMED = Reset(Code.PROTOCOL_ERROR)
BODY = data(message(), end=True)
PLAIN = list(REQUEST)


def head(section: str, what: str, fields: Fields, *expected: object) -> object:
    """Return the case of a call whose fields are these."""
    return case(section, what, headers(fields) + BODY, *expected)


def extra(name: bytes, value: bytes = b"y") -> list[tuple[bytes, bytes]]:
    return request((name, value))


FIELDS = [
    head("8.2.1", "an upper-case name", extra(b"X-a"), MALFORMED),
    head("8.2.1", "a name with a space", extra(b"x a"), MALFORMED),
    head("8.2.1", "an empty name", extra(b""), MALFORMED),
    head("8.2.1", "a name with a colon", extra(b"x:a"), MALFORMED),
    head("8.2.1", "a name with a control character", extra(b"x\x01"), MALFORMED),
    head("8.2.1", "a name that is not ASCII", extra(b"x\xe4"), MALFORMED),
    head("8.2.1", "a value with NUL", extra(b"x", b"a\0b"), MALFORMED),
    head("8.2.1", "a value with CR", extra(b"x", b"a\rb"), MALFORMED),
    head("8.2.1", "a value with LF", extra(b"x", b"a\nb"), MALFORMED),
    head("8.2.1", "a space before a value", extra(b"x", b" a"), MALFORMED),
    head("8.2.1", "a tab behind a value", extra(b"x", b"a\t"), MALFORMED),
    head("8.2.1", "a tab within a value", extra(b"x", b"a\tb"), ANSWERED),
    head("8.2.1", "a value that is not ASCII", extra(b"x", b"\xe4\xff"), ANSWERED, MALFORMED),
    head("8.2.1", "all characters of a name", extra(b"!#$%&'*+-.^_`|~09az"), ANSWERED),
    head("8.2.2", "connection", extra(b"connection", b"close"), MALFORMED),
    head("8.2.2", "proxy-connection", extra(b"proxy-connection", b"close"), MALFORMED),
    head("8.2.2", "keep-alive", extra(b"keep-alive", b"5"), MALFORMED),
    head("8.2.2", "transfer-encoding", extra(b"transfer-encoding", b"chunked"), MALFORMED),
    head("8.2.2", "upgrade", extra(b"upgrade", b"h2c"), MALFORMED),
    head("8.2.2", "te: gzip", request(te=b"gzip"), MALFORMED),
    head("8.2.2", "te: trailers, deflate", request(te=b"trailers, deflate"), MALFORMED),
    head("8.2.2", "no te", request(te=None), ANSWERED, Status(13)),
]

PSEUDO = [
    head("8.3", "an unknown pseudo-header", [(b":x", b"y"), *PLAIN], MALFORMED),
    head("8.3", "a pseudo-header of answers", [(b":status", b"200"), *PLAIN], MALFORMED),
    head("8.3", "a pseudo-header behind a field", [(b"x", b"y"), *PLAIN], MALFORMED),
    head("8.3", "a deadline before pseudo-headers", [(b"grpc-timeout", b"9S"), *PLAIN], MALFORMED),
    head("8.3.1", "no :method", request(method=None), MALFORMED),
    head("8.3.1", "no :scheme", request(scheme=None), MALFORMED),
    head("8.3.1", "no :path", request(path=None), MALFORMED),
    head("8.3.1", "no :authority", request(authority=None), ANSWERED, MALFORMED),
    head("8.3.1", "an empty :path", request(path=b""), MALFORMED),
    head("8.3.1", "a :path without a slash", request(path=b"Echo"), MALFORMED, Status(12)),
    head("8.3.1", "a :path with a space", request(path=b"/test.Echo/Ec ho"), MALFORMED, Status(12)),
    head("8.3.1", ":method twice", [PLAIN[0], *PLAIN], MALFORMED),
    head("8.3.1", ":scheme twice", [PLAIN[1], *PLAIN], MALFORMED),
    head("8.3.1", ":path twice", [PLAIN[2], *PLAIN], MALFORMED),
    head("8.3.1", ":authority twice", [PLAIN[3], *PLAIN], MALFORMED),
    head("8.3.1", "https without TLS", request(scheme=b"https"), ANSWERED, MALFORMED),
    head(
        "8.5",
        "CONNECT",
        request(method=b"CONNECT", scheme=None, path=None),
        MALFORMED,
        *[HttpStatus(405), Status(12), Status(13)],
    ),
    case("8.1", "no field at all", headers(b"", end=True), MALFORMED),
]

LENGTHS = [
    head("8.1.1", "content-length", extra(b"content-length", b"10"), ANSWERED),
    head("8.1.1", "a smaller content-length", extra(b"content-length", b"9"), MALFORMED),
    head("8.1.1", "a larger content-length", extra(b"content-length", b"11"), MALFORMED),
    head("8.1.1", "content-length x", extra(b"content-length", b"x"), MALFORMED),
    head("8.1.1", "content-length -10", extra(b"content-length", b"-10"), MALFORMED),
    head("8.1.1", "an empty content-length", extra(b"content-length", b""), MALFORMED),
    head(
        "8.1.1",
        "two content-lengths",
        request((b"content-length", b"10"), *[(b"content-length", b"11")]),
        MALFORMED,
    ),
    head(
        "8.1.1",
        "two content-lengths, of which the last is right",
        request((b"content-length", b"11"), (b"content-length", b"10")),
        MALFORMED,
    ),
    case(
        "8.1.1",
        "content-length without DATA",
        headers(extra(b"content-length", b"10"), end=True),
        MALFORMED,
    ),
    case(
        "8.1.1",
        "DATA in pieces above content-length",
        [headers(extra(b"content-length", b"10")), data(bytes(8)), data(bytes(8))],
        MALFORMED,
    ),
]

GRPC = [
    head("gRPC", "no content-type", request(content_type=None), HttpStatus(415)),
    head("gRPC", "text/plain", request(content_type=b"text/plain"), HttpStatus(415)),
    head("gRPC", "application/json", request(content_type=b"application/json"), HttpStatus(415)),
    head("gRPC", "application/grpcx", request(content_type=b"application/grpcx"), HttpStatus(415)),
    head(
        "gRPC", "application/grpc+proto", request(content_type=b"application/grpc+proto"), ANSWERED
    ),
    head("gRPC", "application/grpc;a=b", request(content_type=b"application/grpc;a=b"), ANSWERED),
    head("gRPC", "GET", request(method=b"GET"), HttpStatus(405), Status(12), Status(13), MALFORMED),
    head("gRPC", "an unknown method", request(path=b"/test.Echo/No"), Status(12)),
    head("gRPC", "an unknown service", request(path=b"/no.Such/Echo"), Status(12)),
    head("gRPC", "a path of one part", request(path=b"/Echo"), Status(12)),
    head("gRPC", "a path of three parts", request(path=ECHO + b"/x"), Status(12)),
    head("gRPC", "a path with a query", request(path=ECHO + b"?x"), Status(12)),
    head("gRPC", "-bin with padding", extra(b"x-bin", b"aGk="), ANSWERED),
    head("gRPC", "-bin without padding", extra(b"x-bin", b"aGk"), ANSWERED),
    head("gRPC", "a field twice", request((b"x", b"1"), (b"x", b"2")), ANSWERED),
    case(
        "gRPC",
        "an unknown method, which brings no message",
        headers(request(path=b"/no.Such/Echo"), end=True),
        Status(12),
        Status(13),
    ),
]

TIMEOUTS = [
    *(
        head("gRPC", f"grpc-timeout 9{unit}", extra(b"grpc-timeout", b"9%c" % ord(unit)), ANSWERED)
        for unit in "HMS"
    ),
    head("gRPC", "grpc-timeout of 8 digits", extra(b"grpc-timeout", b"99999999H"), ANSWERED),
    *(
        head(
            "gRPC",
            f"grpc-timeout 99999999{unit}",
            extra(b"grpc-timeout", b"99999999%c" % ord(unit)),
            ANSWERED,
            *allowed,
        )
        for unit, allowed in {"m": (), "u": (), "n": (Status(4),)}.items()
    ),
    *(
        head("gRPC", f"grpc-timeout {bad!r}", extra(b"grpc-timeout", bad), Status(13), MALFORMED)
        for bad in (b"", b"S", b"10", b"10x", b"10s", b"-1S", b"1.5S", b"123456789S", b"1 S")
    ),
    case("gRPC", "a deadline that has passed", headers(extra(b"grpc-timeout", b"1n")), Status(4)),
    case("gRPC", "a deadline of 0", headers(extra(b"grpc-timeout", b"0S")), Status(4)),
    case(
        "gRPC",
        "a deadline while the message arrives",
        headers(extra(b"grpc-timeout", b"50m")) + data(message()[:7]),
        Status(4),
    ),
]


@pytest.mark.parametrize("each", [*FIELDS, *PSEUDO, *LENGTHS, *GRPC, *TIMEOUTS])
def test_case(address: tuple[str, int], each: Case) -> None:
    judge(address, each)


def test_an_unfit_timeout_is_unfit_also_where_all_else_is_known(address: tuple[str, int]) -> None:
    with RawClient(address) as client:
        for stream in (1, 3):
            client.send(headers(extra(b"grpc-timeout", b"9S"), stream), data(message(), stream))
        client.send(headers(extra(b"grpc-timeout", b"9x"), 5), data(message(), 5, end=True))
        assert client.read_until(lambda: client.has_ended(5))
        assert client.payload(5) == b""


def test_texts_of_errors_are_percent_encoded(address: tuple[str, int]) -> None:
    """Of gRPC's rules for grpc-message: printable ASCII without %, all else as %XX"""
    with RawClient(address) as client:
        client.send(headers(request(path=b"/no.Such/100%"), end=False) + BODY)
        assert client.read_until(lambda: client.has_ended(1))
        text = client.fields()[b"grpc-message"]
        assert text and all(0x20 <= byte <= 0x7E for byte in text)
        for part in text.split(b"%")[1:]:
            assert int(part[:2], 16) in {ord("%"), *range(0x20), *range(0x7F, 256)}


def test_an_error_comes_in_one_frame(address: tuple[str, int]) -> None:
    """gRPC's trailers-only: nothing was answered before it"""
    with RawClient(address) as client:
        client.send(headers(request(path=b"/no.Such/Echo")) + BODY)
        assert client.read_until(lambda: client.has_ended(1))
        (only,) = client.of(1, 1)
        assert only.ends and not client.of(0, 1)
        names = [name for name, _ in only.fields]
        assert names[:1] == [b":status"] and {b"content-type", b"grpc-status"} <= set(names)
        assert client.fields()[b":status"] == b"200"


def test_an_answer_has_headers_a_message_and_trailers(address: tuple[str, int]) -> None:
    with RawClient(address) as client:
        client.send(headers() + BODY)
        assert client.read_until(lambda: client.has_ended(1))
        first, last = client.of(1, 1)
        assert dict(first.fields)[b":status"] == b"200" and not first.ends
        assert dict(first.fields)[b"content-type"].startswith(b"application/grpc")
        assert dict(last.fields)[b"grpc-status"] == b"0" and last.ends
        assert not any(name.startswith(b":") for name, _ in last.fields)
