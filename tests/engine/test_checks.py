from __future__ import annotations

import pytest

from eas_processor.engine.checks import malformed, origin_form

HOST = {b"host": b"h"}


@pytest.mark.parametrize(
    ("version", "headers"),
    [
        ("1.1", HOST),
        ("1.0", {}),
        ("1.1", {**HOST, b"transfer-encoding": b"Chunked"}),
        ("1.1", {**HOST, b"upgrade": b"h2c"}),
    ],
)
def test_what_is_well_formed_passes(version: str, headers: dict[bytes, bytes]) -> None:
    assert malformed(version, headers) is None


@pytest.mark.parametrize(
    ("version", "headers", "words"),
    [
        ("2.0", HOST, "HTTP/2.0"),
        ("0.9", HOST, "HTTP/0.9"),
        ("1.1", {}, "no Host header"),
        ("1.1", {**HOST, b"transfer-encoding": b"gzip, chunked"}, "'gzip, chunked'"),
        ("1.1", {**HOST, b"transfer-encoding": b"chunked", b"upgrade": b"h2c"}, "Upgrade"),
    ],
)
def test_what_the_parser_lets_pass_is_refused(
    version: str, headers: dict[bytes, bytes], words: str
) -> None:
    assert words in str(malformed(version, headers))


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
