from __future__ import annotations

import pytest

from eas_processor.frontends.http.checks import malformed, origin_form

HOST = {b"host": b"h"}


@pytest.mark.parametrize(
    ("version", "headers"),
    [
        ("1.1", HOST),
        ("1.0", {}),
        ("1.1", {**HOST, b"transfer-encoding": b"Chunked"}),
        ("1.1", {**HOST, b"upgrade": b"h2c"}),
        ("1.1", {**HOST, b"content-encoding": b"GZIP"}),
        ("1.1", {**HOST, b"expect": b"100-continue", b"content-length": b"1"}),
    ],
)
def test_what_is_well_formed_passes(version: str, headers: dict[bytes, bytes]) -> None:
    assert malformed(version, b"/", headers, b"") is None


@pytest.mark.parametrize(
    ("version", "headers", "status", "words"),
    [
        ("2.0", HOST, 400, "HTTP/2.0"),
        ("0.9", HOST, 400, "HTTP/0.9"),
        ("1.1", {}, 400, "no Host header"),
        ("1.0", {b"transfer-encoding": b"chunked"}, 400, "HTTP/1.0 has no Transfer-Encoding"),
        ("1.1", {**HOST, b"transfer-encoding": b"gzip, chunked"}, 400, "'gzip, chunked'"),
        ("1.1", {**HOST, b"transfer-encoding": b"chunked", b"upgrade": b"h2c"}, 400, "Upgrade"),
        ("1.1", {**HOST, b"content-encoding": b"br"}, 415, "'br'"),
        ("1.1", {**HOST, b"expect": b"100-continue"}, 411, "Content-Length"),
    ],
)
def test_what_the_parser_lets_pass_is_refused(
    version: str, headers: dict[bytes, bytes], status: int, words: str
) -> None:
    refusal = malformed(version, b"/", headers, b"")
    assert refusal is not None
    assert refusal.status == status
    assert words in str(refusal)


def test_a_header_that_came_twice_is_refused() -> None:
    refusal = malformed("1.1", b"/", HOST, b"host")
    assert refusal is not None and "more than one Host header" in str(refusal)


def test_a_target_over_the_limit_is_refused() -> None:
    assert malformed("1.1", b"/" * 8192, HOST, b"") is None
    refusal = malformed("1.1", b"/" * 8193, HOST, b"")
    assert refusal is not None
    assert refusal.status == 414


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/a?b=c", b"/a?b=c"),
        (b"//a", b"//a"),
        (b"http://h:80/a?b=c", b"/a?b=c"),
        (b"http://h", b"/"),
        (b"*", b"*"),
        (b"h:443", b"h:443"),
    ],
)
def test_a_whole_url_becomes_path_and_query(target: bytes, path: bytes) -> None:
    assert origin_form(target) == path
