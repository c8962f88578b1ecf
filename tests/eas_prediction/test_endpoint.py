from __future__ import annotations

import pytest

from eas_prediction._endpoint import GatewayEndpoint, endpoint_of
from eas_prediction._transport import PooledTransport
from eas_prediction.exception import InvalidRequest

TRANSPORT = PooledTransport()


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        (" example.com ", "http://example.com"),
        ("https://example.com", "https://example.com"),
        ("http://example.com/behind/", "http://example.com/behind"),
        ("http://h:80/api/predict/mnist", "http://h:80"),
    ],
)
def test_url(endpoint, url):
    assert GatewayEndpoint(endpoint, "mnist").get() == url


def test_inside_the_cluster_no_endpoint_is_needed(monkeypatch):
    monkeypatch.setenv("NAMESPACE", "ns")
    assert GatewayEndpoint("", "a_b/path").get() == "http://a-b.ns:8080"


def test_outside_the_cluster_it_is(monkeypatch):
    monkeypatch.delenv("NAMESPACE", raising=False)
    with pytest.raises(InvalidRequest, match=r"no endpoint: .*http://127\.0\.0\.1:8080"):
        GatewayEndpoint("", "lonely")


def test_a_service_name_is_needed():
    with pytest.raises(InvalidRequest, match="no service name"):
        GatewayEndpoint("h", "")


@pytest.mark.parametrize("endpoint_type", ["", "DEFAULT", "GATEWAY"])
def test_usable_types(endpoint_type):
    assert endpoint_of(endpoint_type, "h", "svc", TRANSPORT).get() == "http://h"


@pytest.mark.parametrize(
    ("endpoint_type", "reason"),
    [
        ("VIPSERVER", "ENDPOINT_TYPE_DIRECT"),
        ("VIPSERVER", "vendor's own network"),
        ("direct", "expected ENDPOINT_TYPE_GATEWAY or ENDPOINT_TYPE_DIRECT, got 'direct'"),
    ],
)
def test_other_types_say_why_not(endpoint_type, reason):
    with pytest.raises(InvalidRequest, match=reason):
        endpoint_of(endpoint_type, "h", "svc", TRANSPORT)
