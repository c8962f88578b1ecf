from __future__ import annotations

import locale

import pytest

from eas_prediction._auth import http_date, signed_headers, token_headers

DATE = "Fri, 20 Nov 2026 10:32:34 GMT"
OCTETS = "application/octet-stream"


@pytest.mark.parametrize(
    ("md5", "authorization"),
    [
        ("900150983cd24fb0d6963f7d28e17f72", "EAS Rk/lrQMl/zcP3UFmYV6sT89ThEo="),
        ("d41d8cd98f00b204e9800998ecf8427e", "EAS aVF3U+FQc5R3LWNtwyllzpoqouc="),
    ],
)
def test_signs_as_the_vendors_clients(md5, authorization):
    assert signed_headers("tok", "/api/predict/svc", OCTETS, md5, DATE) == {
        "Content-MD5": md5,
        "Date": DATE,
        "Content-Type": OCTETS,
        "Authorization": authorization,
    }


def test_a_raw_token_is_sent_as_it_is():
    headers = token_headers("tok", "text/plain", DATE)
    assert headers == {"Date": DATE, "Content-Type": "text/plain", "Authorization": "tok"}


def test_the_date_is_gmt_in_every_time_zone_and_language(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    monkeypatch.setattr("time.time", lambda: 1_795_170_754.9)
    for name in ("de_DE.UTF-8", "C"):
        try:
            locale.setlocale(locale.LC_TIME, name)
        except locale.Error:
            continue
        assert http_date() == DATE
