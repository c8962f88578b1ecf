"""Settings and options of the wrong type are refused when they are given, not at the next call."""

from __future__ import annotations

import logging
from typing import Any, Callable

import pytest

from eas_prediction import (
    AsyncPredictClient,
    InvalidRequest,
    PooledTransport,
    PredictClient,
    PredictException,
    RetryPolicy,
    StringRequest,
    TFRequest,
)
from eas_prediction.testing import FakeTransport

CLIENTS = [PredictClient, AsyncPredictClient]

# setter, attribute, wrong values, what the error says
WRONG: list[tuple[str, str, list[Any], str]] = [
    ("set_endpoint", "endpoint_name", [5, b"h", ["h"]], "endpoint: expected a str, got"),
    (
        "set_endpoint_type",
        "endpoint_type",
        [5, "direct", ["DIRECT"]],
        "endpoint type: expected ENDPOINT_TYPE_GATEWAY or ENDPOINT_TYPE_DIRECT, got",
    ),
    (
        "set_service_name",
        "service_name",
        [5, None, b"svc"],
        "service name: expected a str such as 'mnist', got",
    ),
    ("set_token", "token", [5, b"tok", ["t"]], "token: expected a str, got"),
    ("set_content_type", "content_type", [5, b"a/b"], "content type: expected a str, got"),
    (
        "set_timeout",
        "timeout",
        ["5", None, 0, -1, float("nan"), float("inf"), True, [5]],
        "timeout: expected milliseconds above 0, got",
    ),
    ("set_connect_timeout", "", ["5", None, 0], "connect timeout: expected milliseconds above 0"),
    ("set_read_timeout", "", ["5", None, 0], "read timeout: expected milliseconds above 0"),
    ("set_retry_count", "retry_count", ["3", None, 2.5], "retry count: expected a whole number, 0"),
    ("set_retry_count", "retry_count", [-1], "retry count: expected 0 or more, got -1"),
    ("set_retry_policy", "retry_policy", [None, 3], "retry policy: expected a RetryPolicy, got"),
    (
        "set_max_connection_count",
        "max_connection_count",
        ["3", None, 2.5, True],
        "max_connection_count: expected a whole number, 1 or more, got",
    ),
    ("set_max_connection_count", "max_connection_count", [0], "expected 1 or more, got 0"),
    ("set_log_level", "", [None, 1.5, "LOUD"], "log level: expected a level such as 'DEBUG'"),
    ("add_extra_headers", "", [[], None, "a: b", 5], "headers: expected a dict, got"),
    ("add_extra_headers", "headers", [{"X": None}, {"X": 1.5}], "expected a str for 'X', got"),
    ("add_extra_headers", "headers", [{b"X": "1"}, {"": "1"}], "expected names that are str"),
]


@pytest.mark.parametrize("make", CLIENTS)
@pytest.mark.parametrize(
    ("setter", "attribute", "value", "said"),
    [(each[0], each[1], value, each[3]) for each in WRONG for value in each[2]],
)
def test_a_wrong_value_is_refused_at_once(make, setter, attribute, value, said):
    client = make("h", "svc")
    with pytest.raises(InvalidRequest) as raised:
        getattr(client, setter)(value)
    assert said in raised.value.message
    if attribute:
        before = getattr(client, attribute)
        with pytest.raises(InvalidRequest) as raised:
            setattr(client, attribute, value)
        assert said in raised.value.message
        assert getattr(client, attribute) == before


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("token", 5),
        ("timeout", "5"),
        ("headers", ["X"]),
        ("content_type", 5),
        ("endpoint_type", "direct"),
        ("max_connection_count", "3"),
        ("retry_policy", 3),
        ("transport", "http"),
        ("custom_url", 5),
    ],
)
@pytest.mark.parametrize("make", CLIENTS)
def test_keywords_of_the_constructor_are_checked_too(make, keyword, value):
    with pytest.raises(InvalidRequest, match=keyword.replace("_", "[_ ]")):
        make("h", "svc", **{keyword: value})


def test_what_is_right_stays_as_it_is():
    headers = {"X-Number": 5, "X-Bytes": b"6"}
    client = PredictClient("h", "svc", headers=headers, timeout=0.5)  # type: ignore[arg-type]
    assert (client.headers, client.timeout) == (headers, 0.5)
    client.set_endpoint(None)  # type: ignore[arg-type]
    client.set_token(None)  # type: ignore[arg-type]
    client.custom_url = None  # type: ignore[assignment]
    assert (client.endpoint_name, client.token, client.custom_url) == ("", "", "")
    client.set_log_level(logging.getLogger("eas_prediction").level)


def test_scripts_that_expect_the_vendors_errors():
    client = PredictClient("h", "svc")
    with pytest.raises(TypeError, match="headers: expected a dict, got list"):
        client.add_extra_headers([])  # type: ignore[arg-type]
    with pytest.raises(PredictException):
        client.set_timeout("5")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "kept"),
    [("tok\n", "tok"), ("  tok\r\n", "tok"), ("\ttok ", "tok"), ("Bearer tok", "Bearer tok")],
)
def test_a_token_is_trimmed(given, kept):
    client = PredictClient("h", "svc", token=given)
    assert client.token == kept
    client.set_token("other")
    client.set_token(given)
    assert client.token == kept


def test_so_are_names_and_addresses():
    client = PredictClient(" http://h:80\n", "/mnist/v1\n")
    assert (client.endpoint_name, client.service_name) == ("http://h:80", "mnist/v1")
    client.set_service_name(" svc/")  # its slash is signed as it is set
    client.custom_url = " http://h/any/where\r\n"
    assert (client.service_name, client.custom_url) == ("svc/", "http://h/any/where")


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("to\nk", "token: expected printable ASCII, got a line break after 2 characters"),
        ("to\r\nk", "got a line break after 2 characters"),
        ("to\x00k", "got another character after 2 characters"),
        ("t\N{LATIN SMALL LETTER O WITH DIAERESIS}k", "got another character after 1 characters"),
    ],
)
def test_a_token_that_no_service_has_is_refused_when_it_is_set(token, said):
    client = PredictClient("h", "svc")
    with pytest.raises(InvalidRequest) as raised:
        client.set_token(token)
    assert said in raised.value.message
    assert token not in raised.value.message


def test_a_token_of_the_wrong_type_is_not_shown():
    with pytest.raises(InvalidRequest) as raised:
        PredictClient("h", "svc", token=b"secret")  # type: ignore[arg-type]
    assert raised.value.message == "token: expected a str, got bytes; decode() it"


class TestOptionsOfPredict:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"timeout": "5"}, "timeout: expected milliseconds"),
            ({"headers": ["X"]}, "headers: expected a dict, got list"),
            ({"headers": {"X": None}}, "headers: expected a str for 'X', got NoneType"),
            ({"path": 5}, "path: expected a str such as '/v2', got 5"),
            ({"query": 5}, "query: expected a dict or a str"),
            ({"outputs": "scores"}, "outputs: expected names such as ['scores'], got 'scores'"),
            ({"outputs": [5]}, "outputs: expected a non-empty str, got 5"),
            ({"max_rows": "5"}, "max_rows: expected a whole number, 1 or more, got '5'"),
            ({"max_rows": 0}, "max_rows: expected 1 or more, got 0"),
        ],
    )
    def test_of_the_wrong_type(self, options, said):
        client = PredictClient("h", "svc", transport=FakeTransport(lambda sent: b""))
        request: Any = {"x": [1.0]} if "outputs" in options or "max_rows" in options else "x"
        request = request if isinstance(request, dict) else StringRequest(request)
        with pytest.raises(InvalidRequest) as raised:
            client.predict(request, **options)
        assert raised.value.message.startswith(said)
        assert not client.transport.requests  # type: ignore[attr-defined]

    @pytest.mark.parametrize("value", ["ab", {"x": [1.0]}, 5, TFRequest("s"), None])
    def test_many_requests_are_a_list(self, value):
        client = PredictClient("h", "svc", transport=FakeTransport(lambda sent: b""))
        with pytest.raises(InvalidRequest, match=r"predict_many\(\) takes a list of requests, got"):
            client.predict_many(value)

    @pytest.mark.parametrize("value", ["8", None, 2.5])
    def test_concurrency_is_a_number(self, value):
        client = PredictClient("h", "svc", transport=FakeTransport(lambda sent: b""))
        with pytest.raises(InvalidRequest, match="concurrency: expected a whole number, 1 or more"):
            client.predict_many([StringRequest("x")], concurrency=value)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: RetryPolicy(attempts="3"), "RetryPolicy: attempts"),  # type: ignore[arg-type]
        (lambda: RetryPolicy(backoff="1"), "RetryPolicy: expected 0 <= backoff"),  # type: ignore[arg-type]
        (lambda: RetryPolicy(statuses=503), "RetryPolicy: statuses"),  # type: ignore[arg-type]
        (lambda: RetryPolicy(statuses="503"), "RetryPolicy: statuses"),
        (lambda: PooledTransport("3"), "max_connections"),  # type: ignore[arg-type]
        (lambda: PooledTransport(connect_timeout="1"), "connect_timeout"),  # type: ignore[arg-type]
        (lambda: PooledTransport(read_timeout=0), "read_timeout"),
        (lambda: PooledTransport(proxy=5), "proxy: expected an address"),  # type: ignore[arg-type]
        (lambda: TFRequest(5), "signature name: expected a str, got 5"),  # type: ignore[arg-type]
        (lambda: TFRequest().set_signature_name(b"s"), "signature name: expected a str"),  # type: ignore[arg-type]
        (lambda: TFRequest().add_fetch(5), "output name: expected a non-empty str"),  # type: ignore[arg-type]
        (lambda: TFRequest().add_fetch(""), "output name: expected a non-empty str"),
    ],
)
def test_other_objects_check_theirs(make: Callable[[], Any], said: str):
    with pytest.raises(InvalidRequest) as raised:
        make()
    assert raised.value.message.startswith(said)


class TestRequests:
    @pytest.mark.parametrize("prepare", [lambda _: None, lambda request: request.request_data])
    def test_an_empty_one_is_not_sent(self, prepare):
        # Its empty body would ask for the signature, whose JSON is no response.
        client = PredictClient("h", "svc", transport=FakeTransport(lambda sent: b"{}"))
        request = TFRequest()
        prepare(request)
        for _ in range(2):
            with pytest.raises(
                InvalidRequest, match=r"the request is empty: set an input with add_feed\(name"
            ):
                client.predict(request)
        assert not client.transport.requests  # type: ignore[attr-defined]
        request.add_feed("x", [1], TFRequest.DT_FLOAT, [1.0])
        client.predict(request)

    def test_an_empty_text_asks_for_the_signature(self):
        client = PredictClient("h", "svc", transport=FakeTransport(lambda sent: b"{}"))
        assert client.predict(StringRequest("")).response_data == b"{}"

    def test_an_empty_input_name(self):
        with pytest.raises(InvalidRequest, match="the name of an input is empty"):
            TFRequest().add_feed("", [1], TFRequest.DT_FLOAT, [1.0])
        request = TFRequest("s")
        request.request_data.inputs[""].dtype = TFRequest.DT_FLOAT
        with pytest.raises(InvalidRequest, match="the name of an input is empty"):
            PredictClient("h", "svc", transport=FakeTransport(lambda sent: b"")).predict(request)

    @pytest.mark.parametrize("dtype", ["DT_FLOAT", None, [1], 1.0, float])
    def test_a_dtype_of_the_wrong_type(self, dtype):
        with pytest.raises(InvalidRequest, match=r"expected a dtype such as TFRequest\.DT_FLOAT"):
            TFRequest().add_feed("x", [1], dtype, [1.0])

    def test_the_class_instead_of_a_request(self):
        client = PredictClient("h", "svc", transport=FakeTransport(lambda sent: b""))
        with pytest.raises(InvalidRequest, match="takes a request, got the class TFRequest"):
            client.predict(TFRequest)  # type: ignore[call-overload]


@pytest.mark.parametrize("pool", [None, "pool", 5])
def test_what_is_no_pool(pool):
    client = PredictClient("h", "svc")
    with pytest.raises(InvalidRequest, match=r"connection_pool: expected a urllib3\.PoolManager"):
        client.connection_pool = pool


def test_a_header_that_was_put_in_unchecked():
    client = PredictClient("http://127.0.0.1:1", "svc")
    client.headers["X-Mine"] = None  # type: ignore[assignment]
    with pytest.raises(InvalidRequest, match="headers: expected a str for 'X-Mine', got NoneType"):
        client.predict(StringRequest("x"))
