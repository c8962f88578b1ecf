from __future__ import annotations

import pytest

from eas_prediction._endpoint import check_endpoint_type, predict_url
from eas_prediction.exception import InvalidRequest


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/api/predict/mnist"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/api/predict/mnist"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080/api/predict/mnist"),
        (" example.com ", "http://example.com/api/predict/mnist"),
        ("https://example.com", "https://example.com/api/predict/mnist"),
        ("http://example.com/behind/", "http://example.com/behind/api/predict/mnist"),
        ("http://h:80/api/predict/mnist", "http://h:80/api/predict/mnist"),
    ],
)
def test_url(endpoint, url):
    assert predict_url(endpoint, "mnist") == url


def test_a_service_name_can_have_a_path():
    assert predict_url("h", "svc/v1/x") == "http://h/api/predict/svc/v1/x"


def test_inside_the_cluster_no_endpoint_is_needed(monkeypatch):
    monkeypatch.setenv("NAMESPACE", "ns")
    assert predict_url("", "a_b/path") == "http://a-b.ns:8080/api/predict/a_b/path"


def test_outside_the_cluster_it_is(monkeypatch):
    monkeypatch.delenv("NAMESPACE", raising=False)
    with pytest.raises(InvalidRequest, match=r"no endpoint: .*http://127\.0\.0\.1:8080"):
        predict_url("", "lonely")


def test_a_service_name_is_needed():
    with pytest.raises(InvalidRequest, match="no service name"):
        predict_url("h", "")


@pytest.mark.parametrize("endpoint_type", ["", "DEFAULT", "GATEWAY"])
def test_usable_types(endpoint_type):
    check_endpoint_type(endpoint_type)


@pytest.mark.parametrize(
    ("endpoint_type", "reason"),
    [
        ("DIRECT", "not available yet"),
        ("VIPSERVER", "vendor's own network"),
        ("direct", "expected ENDPOINT_TYPE_GATEWAY, got 'direct'"),
    ],
)
def test_other_types_say_why_not(endpoint_type, reason):
    with pytest.raises(InvalidRequest, match=reason):
        check_endpoint_type(endpoint_type)
