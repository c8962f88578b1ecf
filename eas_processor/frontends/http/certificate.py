"""Reads the validity of certificates from a PEM file, without a library for X.509."""

from __future__ import annotations

import binascii
import calendar
import re
import time
from typing import NamedTuple

_PEM = re.compile(
    rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----([^-]*)"
    rb"-----END (?:X509 |TRUSTED )?CERTIFICATE-----"
)
_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x30, 0x17, 0x18, 0xA0
_FORM = "%Y%m%d%H%M%SZ"
_DIGITS = {_UTC_TIME: 12, _GENERALIZED_TIME: 14}


class Certificate(NamedTuple):
    """A certificate in DER, and its validity as Unix times in seconds."""

    der: bytes
    not_before: float
    not_after: float


def read_certificates(pem: bytes) -> list[Certificate]:
    """
    Return the certificates of a PEM file in order: the server's own, then its issuers.

    Raises ValueError if one does not follow RFC 5280.
    """
    return [_certificate(binascii.a2b_base64(body)) for body in _PEM.findall(pem)]


def shown_time(seconds: float) -> str:
    """Return a date of a certificate as text, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def _certificate(der: bytes) -> Certificate:
    # Certificate: tbsCertificate [version], serialNumber, signature, issuer, validity, ...
    whole, _ = _read(der, 0, _SEQUENCE)
    signed, _ = _read(whole, 0, _SEQUENCE)
    place = _read(signed, 0)[1] if signed[:1] == bytes([_VERSION]) else 0
    for _ in ("serialNumber", "signature", "issuer"):
        place = _read(signed, place)[1]
    validity, _ = _read(signed, place, _SEQUENCE)
    not_before, place = _read_time(validity, 0)
    not_after, _ = _read_time(validity, place)
    return Certificate(der, not_before, not_after)


def _read(data: bytes, start: int, expected: int | None = None) -> tuple[bytes, int]:
    """Return the content of the DER value at `start`, and where the next one begins."""
    if len(data) < start + 2:
        raise ValueError("a certificate that ends too early")
    if expected not in (None, data[start]):
        raise ValueError(f"a certificate with the tag {data[start]:#x}, expected {expected:#x}")
    size, begin = data[start + 1], start + 2
    if size >= 0x80:
        begin += size - 0x80
        size = int.from_bytes(data[start + 2 : begin], "big")
    if len(data) < begin + size:
        raise ValueError("a certificate that ends too early")
    return data[begin : begin + size], begin + size


def _read_time(data: bytes, start: int) -> tuple[float, int]:
    content, end = _read(data, start)
    digits = _DIGITS.get(data[start])
    text = content.decode("ascii", "replace")
    if digits is None or not re.fullmatch(rf"\d{{{digits}}}Z", text, re.ASCII):
        raise ValueError(f"a certificate with the time {text[:20]!r}")
    if digits == _DIGITS[_UTC_TIME]:
        text = ("19" if text >= "50" else "20") + text
    return calendar.timegm(time.strptime(text, _FORM)), end
