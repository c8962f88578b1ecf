"""The dates of certificates that OpenSSL has made, and of bytes that are none."""

from __future__ import annotations

import base64
import calendar
import contextlib
import random
from pathlib import Path

import pytest
from fixtures import need
from fixtures.certificates import make_pair

from eas_processor.frontends.http.certificate import read_certificates, shown_time

needs_openssl = need.tool("openssl")


def unix(text: str) -> float:
    fields = (text[:4], text[4:6], text[6:8], text[8:10], text[10:12], text[12:14])
    return calendar.timegm((*map(int, fields), 0, 0, 0))


@needs_openssl
@pytest.mark.parametrize("key", ["ec", "rsa"])
@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("20240229235959Z", "20260102030405Z"),  # both UTCTime
        ("19500101000000Z", "20491231235959Z"),  # its first and last second
        ("20490101000000Z", "20500101000000Z"),  # the end is GeneralizedTime
        ("20510101000000Z", "99991231235959Z"),  # which RFC 5280 has for "without an end"
    ],
)
def test_dates_of_every_form(tmp_path: Path, key: str, begin: str, end: str) -> None:
    pair = make_pair(tmp_path, "name", begin, end, key)
    (found,) = read_certificates(pair.cert.read_bytes())
    assert (found.not_before, found.not_after) == (unix(begin), unix(end))
    assert found.der == base64.b64decode("".join(pair.cert.read_text().split("\n")[1:-2]))


@needs_openssl
def test_a_chain_with_keys_and_text_between(tmp_path: Path) -> None:
    first = make_pair(tmp_path, "first", end="20300101000000Z")
    second = make_pair(tmp_path, "second", end="20310101000000Z")
    trusted = second.cert.read_bytes().replace(b" CERTIFICATE", b" TRUSTED CERTIFICATE")
    pem = b"text\n" + first.key.read_bytes() + first.cert.read_bytes() + b"- text\n" + trusted
    found = read_certificates(pem.replace(b"\n", b"\r\n"))
    assert [shown_time(each.not_after) for each in found] == [
        "2030-01-01 00:00:00 UTC",
        "2031-01-01 00:00:00 UTC",
    ]
    assert read_certificates(first.key.read_bytes()) == []


@needs_openssl
def test_damage_is_a_value_error_or_another_date(tmp_path: Path) -> None:
    der = bytearray(read_certificates(make_pair(tmp_path, "name").cert.read_bytes())[0].der)
    draw = random.Random(16)
    for _ in range(3000):
        damaged = bytearray(der)
        damaged[draw.randrange(150)] = draw.randrange(256)
        body = base64.encodebytes(damaged[: draw.choice((len(der), draw.randrange(200)))])
        pem = b"-----BEGIN CERTIFICATE-----\n" + body + b"-----END CERTIFICATE-----\n"
        with contextlib.suppress(ValueError):
            assert len(read_certificates(pem)) == 1
