from __future__ import annotations

import pytest

from eas_processor.frontends.tfs_rest.paths import Target, parse


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("POST", "/v1/models/m:predict", Target(b"m", None, None, b"predict")),
        ("POST", "/V1/Models/m/Versions/007:classify", Target(b"m", 7, None, b"classify")),
        ("POST", "/v1/models/m/labels/a-b.c:regress", Target(b"m", None, "a-b.c", b"regress")),
        ("POST", "/v1/models/a%2Fb%3Ac:predict", Target(b"a/b:c", None, None, b"predict")),
        ("POST", "/v1/models/m:PREDICT", Target(b"m", None, None, b"PREDICT")),
        ("GET", "/v1/models/m", Target(b"m", None, None, b"")),
        ("GET", "/v1/models", Target(b"", None, None, b"")),
        ("GET", "/v1/models/m/versions/3/metadata", Target(b"m", 3, None, b"metadata")),
        ("GET", "/v1/models/m/labels/%C3%BC/metadata", Target(b"m", None, "ü", b"metadata")),
        (
            "POST",
            "/v1/models/m/versions/9223372036854775808:predict",
            Target(b"m", None, None, b"predict", b"9223372036854775808"),
        ),
    ],
)
def test_what_a_path_asks_for(method: str, target: str, expected: Target) -> None:
    assert parse(method.encode(), target.encode()) == expected


def test_a_version_of_thousands_of_digits() -> None:
    nines = "9" * 5000
    asked = parse(b"GET", f"/v1/models/m/versions/{nines}".encode())
    assert asked is not None and asked.version is None and asked.too_large == nines.encode()
    asked = parse(b"GET", f"/v1/models/m/versions/{'0' * 5000}7".encode())
    assert asked is not None and asked.version == 7 and not asked.too_large


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/v1/models/m"),
        ("POST", "/v1/models/m:predict?x=1"),
        ("POST", "/v1/models/m/versions/1/labels/a:predict"),
        ("POST", "/v1/models/m/versions/-1:predict"),
        ("POST", "/v1/models/m/versions/x:predict"),
        ("POST", "/v1/models/:predict"),
        ("POST", "/v1/models/a/b:predict"),
        ("GET", "/v1/models/m:predict"),
        ("GET", "/v1/models/m/metadata/"),
        ("GET", "/v1/m"),
    ],
)
def test_what_is_malformed(method: str, target: str) -> None:
    assert parse(method.encode(), target.encode()) is None
