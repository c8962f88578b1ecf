from __future__ import annotations

import hashlib
import hmac
import logging
import sys
import threading
from base64 import b64encode

import numpy as np
import pytest
import urllib3

from eas_prediction import (
    ENDPOINT_TYPE_GATEWAY,
    ENDPOINT_TYPE_VIPSERVER,
    ConnectionLost,
    InvalidRequest,
    Overloaded,
    PredictClient,
    Refused,
    Request,
    RetryPolicy,
    ServiceFailed,
    StringRequest,
    TFRequest,
    TimedOut,
)
from eas_prediction.testing import FakeTransport, tf_answer

AT_ONCE = RetryPolicy(backoff=0)


def client_of(answer, **options):
    options.setdefault("retry_policy", AT_ONCE)
    return PredictClient("nowhere", "svc", transport=FakeTransport(answer), **options)


def sent_headers(client, request=None):
    client.predict(request or StringRequest("abc"))
    return client.transport.requests[-1].headers


def signature(token, headers, path):
    lines = [headers[name] for name in ("Content-MD5", "Content-Type", "Date")]
    text = "\n".join(["POST", *lines, path])
    return "EAS " + b64encode(hmac.new(token.encode(), text.encode(), "sha1").digest()).decode()


class TestScriptsOfTheDocumentation:
    def test_tensorflow(self, service, capsys):
        answer = tf_answer({"scores": np.full([1, 10], 0.5, np.float32)})
        service.usual = service.status(200, answer)

        client = PredictClient(service.address, "mnist")
        client.set_token("token")
        client.init()
        req = TFRequest("predict_images")
        req.add_feed("images", [1, 784], TFRequest.DT_FLOAT, [1.0] * 784)
        req.add_fetch("scores")
        for _ in range(3):
            resp = client.predict(req)
            print(resp)

        assert resp.get_tensor_shape("scores") == [1, 10]
        assert resp.get_values("scores") == [0.5] * 10
        assert 'key: "scores"' in capsys.readouterr().out
        assert {request.path for request in service.requests} == {"/api/predict/mnist"}
        assert len({request.peer for request in service.requests}) == 1
        client.destroy()

    def test_text(self, service):
        service.usual = service.status(200, b'{"signature_name": "predict_images"}')
        client = PredictClient()
        client.set_endpoint(service.address.split("://")[1] + "/")
        client.set_service_name("svc")
        client.set_endpoint_type(ENDPOINT_TYPE_GATEWAY)
        client.set_max_connection_count(1)
        client.init()
        assert str(client.predict(StringRequest(""))) == '{"signature_name": "predict_images"}'
        (request,) = service.requests
        assert (request.body, request.headers["content-length"]) == (b"", "0")
        assert "authorization" not in request.headers
        client.destroy()


class TestHeaders:
    def test_without_a_token_nothing_is_added(self):
        assert sent_headers(client_of(lambda sent: b"")) == {}

    def test_a_token_signs(self):
        client = client_of(lambda sent: b"")
        client.set_service_name("svc/path")
        client.set_token("tok")
        headers = sent_headers(client)
        assert headers["Content-MD5"] == hashlib.md5(b"abc").hexdigest()
        assert headers["Content-Type"] == "application/octet-stream"
        assert headers["Authorization"] == signature("tok", headers, "/api/predict/svc/path")

    def test_a_custom_url_gets_the_token_itself(self):
        client = client_of(lambda sent: b"", custom_url="https://h/any?where=1")
        client.set_token("tok")
        headers = sent_headers(client)
        assert client.transport.requests[0].url == "https://h/any?where=1"
        assert headers["Authorization"] == "tok"
        assert "Content-MD5" not in headers

    def test_the_content_type_is_signed(self):
        client = client_of(lambda sent: b"")
        client.set_token("tok")
        client.set_content_type("application/json")
        headers = sent_headers(client)
        assert headers["Content-Type"] == "application/json"
        assert headers["Authorization"] == signature("tok", headers, "/api/predict/svc")

    def test_extra_headers_are_sent_but_not_instead_of_the_signature(self):
        client = client_of(lambda sent: b"")
        client.add_extra_headers({"X-Mine": "1", "content-type": "a/b", "AUTHORIZATION": "mine"})
        assert sent_headers(client)["AUTHORIZATION"] == "mine"
        client.set_token("tok")
        headers = sent_headers(client)
        assert (headers["X-Mine"], headers["Content-Type"]) == ("1", "a/b")
        assert headers["Authorization"] == signature("tok", headers, "/api/predict/svc")
        assert sorted(map(str.lower, headers)) == sorted({name.lower() for name in headers})

    def test_a_token_can_be_taken_away(self):
        client = client_of(lambda sent: b"")
        client.set_token("tok")
        sent_headers(client)
        client.set_token("")
        assert sent_headers(client) == {}

    def test_extra_headers_are_a_mapping(self):
        with pytest.raises(TypeError, match="expected a dict, got list"):
            client_of(lambda sent: b"").add_extra_headers([])  # type: ignore[arg-type]

    def test_vendors_spelling(self):
        client = client_of(lambda sent: b"")
        client.set_token("tok")
        headers = client.generate_singaure(b"abc")
        assert headers["Content-Length"] == "3"
        assert headers["Authorization"] == signature("tok", headers, "/api/predict/svc")


class TestAgainstAService:
    @pytest.mark.parametrize(("status", "raised"), [(450, Overloaded), (503, ServiceFailed)])
    @pytest.mark.parametrize(("count", "sent"), [(0, 1), (1, 1), (3, 3), (5, 5)])
    def test_retry_count_is_all_attempts(self, service, status, raised, count, sent):
        service.usual = service.status(status, b"no healthy upstream")
        with PredictClient(service.address, "svc", retry_policy=AT_ONCE) as client:
            client.set_retry_count(count)
            with pytest.raises(raised, match="no healthy upstream") as error:
                client.predict(StringRequest("abc"))
        assert error.value.code == status
        assert len(service.requests) == sent

    def test_silence(self, service):
        service.usual = service.silence
        with PredictClient(service.address, "svc") as client:
            client.set_timeout(100)
            with pytest.raises(TimedOut) as error:
                client.predict(StringRequest("abc"))
        assert error.value.code == 500
        assert len(service.requests) == 1

    def test_a_connection_closed_while_idle(self, service):
        service.answers = [service.close_silently_afterwards]
        with PredictClient(service.address, "svc", retry_policy=AT_ONCE) as client:
            assert str(client.predict(StringRequest("1"))) == "last"
            assert str(client.predict(StringRequest("2"))) == "fine"


class TestAttempts:
    def test_share_one_deadline(self):
        def lost(sent):
            raise ConnectionLost(500, "lost")

        client = client_of(lost)
        with pytest.raises(ConnectionLost):
            client.predict(StringRequest("abc"))
        timeouts = [sent.timeout for sent in client.transport.requests]
        assert len(timeouts) == 5
        assert timeouts == sorted(timeouts, reverse=True)
        assert timeouts[0] <= 5.0

    def test_each_is_signed_anew(self, monkeypatch):
        now = [1_800_000_000.0]
        monkeypatch.setattr("time.time", lambda: now[0])

        def fail_once(sent):
            now[0] += 1
            return b"" if len(client.transport.requests) > 1 else (503, {}, b"")

        client = client_of(fail_once)
        client.set_token("tok")
        client.predict(StringRequest("abc"))
        first, second = (sent.headers for sent in client.transport.requests)
        assert first["Date"] != second["Date"]
        assert second["Authorization"] == signature("tok", second, "/api/predict/svc")

    def test_are_logged_for_who_asks(self, caplog):
        client = client_of(lambda sent: (503, {}, b"restarting"))
        with caplog.at_level(logging.WARNING), pytest.raises(ServiceFailed):
            client.predict(StringRequest("abc"))
        assert not caplog.records
        with caplog.at_level(logging.DEBUG, "eas_prediction"), pytest.raises(ServiceFailed):
            client.predict(StringRequest("abc"))
        assert "attempt 1 failed: Code: 503, Message: restarting" in caplog.text

    def test_a_response_that_cannot_be_parsed_is_not_asked_for_again(self):
        class Picky(Request):
            def to_string(self):
                return b""

            def parse_response(self, response_data):
                raise ServiceFailed(500, "not what I expected")

        client = client_of(lambda sent: b"")
        with pytest.raises(ServiceFailed):
            client.predict(Picky())
        assert len(client.transport.requests) == 1


class TestOneCall:
    """What `predict` takes besides the request, for that call alone."""

    def test_path_and_query_are_sent_and_signed(self):
        client = client_of(lambda sent: b"")
        client.set_token("tok")
        client.predict(StringRequest("abc"), path="v2/größe", query={"a": "x y", "b": [1, 2]})
        (sent,) = client.transport.requests
        path = "/api/predict/svc/v2/gr%C3%B6%C3%9Fe?a=x+y&b=1&b=2"
        assert sent.url == "http://nowhere" + path
        assert sent.headers["Authorization"] == signature("tok", sent.headers, path)

    @pytest.mark.parametrize(("given", "sent"), [("a=1", "?a=1"), ("?a=b c", "?a=b%20c")])
    def test_a_query_can_be_text(self, given, sent):
        client = client_of(lambda sent: b"")
        client.predict(StringRequest("abc"), query=given)
        assert client.transport.requests[0].url == "http://nowhere/api/predict/svc" + sent

    def test_headers(self):
        client = client_of(lambda sent: b"")
        client.add_extra_headers({"X-Mine": "1", "X-Other": "2"})
        client.predict(StringRequest("abc"), headers={"X-Mine": "3"})
        client.predict(StringRequest("abc"))
        first, second = (dict(sent.headers) for sent in client.transport.requests)
        assert first == {"X-Mine": "3", "X-Other": "2"}
        assert second == {"X-Mine": "1", "X-Other": "2"}

    def test_timeout(self):
        client = client_of(lambda sent: b"")
        client.predict(StringRequest("abc"), timeout=700)
        assert 0.6 < client.transport.requests[0].timeout <= 0.7
        with pytest.raises(InvalidRequest, match="above 0, got -1"):
            client.predict(StringRequest("abc"), timeout=-1)

    @pytest.mark.parametrize(("url", "sent"), [("http://h/a", "?x=1"), ("http://h/a?b=2", "&x=1")])
    def test_a_custom_url_takes_a_query_but_no_path(self, url, sent):
        client = client_of(lambda sent: b"", custom_url=url)
        client.predict(StringRequest("abc"), query={"x": 1})
        assert client.transport.requests[0].url == url + sent
        with pytest.raises(InvalidRequest, match="path: a client with a custom_url"):
            client.predict(StringRequest("abc"), path="/v2")


class TestRetryPolicy:
    def test_says_which_statuses_are_tried_again(self):
        client = client_of(lambda sent: (404, {}, b"not yet"))
        client.set_retry_policy(RetryPolicy(attempts=3, backoff=0, statuses={404}))
        with pytest.raises(Refused):
            client.predict(StringRequest("abc"))
        assert len(client.transport.requests) == 3
        client.transport.answer = lambda sent: (503, {}, b"")
        with pytest.raises(ServiceFailed):
            client.predict(StringRequest("abc"))
        assert len(client.transport.requests) == 4

    def test_says_whether_lost_connections_are(self, service):
        service.usual = service.cut
        policy = RetryPolicy(lost_connections=False)
        client = PredictClient(service.address, "svc", retry_policy=policy)
        with client, pytest.raises(ConnectionLost):
            client.predict(StringRequest("abc"))
        assert len(service.requests) == 1


class TestSettings:
    def test_phases_of_the_timeout(self, service):
        service.answers = [service.silence]
        with PredictClient(service.address, "svc", retry_policy=AT_ONCE) as client:
            client.set_connect_timeout(2000)
            client.set_read_timeout(1000)
            assert str(client.predict(StringRequest("abc"))) == "fine"
            assert client.transport.connect_timeout == 2
        assert len(service.requests) == 2

    def test_phases_belong_to_the_pooled_transport(self):
        with pytest.raises(InvalidRequest, match="FakeTransport that was given instead"):
            client_of(lambda sent: b"").set_read_timeout(1)

    def test_a_pool_manager_of_the_users(self, service):
        service.answers = [service.status(450), service.cut]
        client = PredictClient(service.address, "svc", retry_policy=AT_ONCE)
        client.connection_pool = urllib3.PoolManager()
        client.set_token("tok")
        client.init()
        assert str(client.predict(StringRequest("abc"))) == "fine"
        assert [request.body for request in service.requests] == [b"abc"] * 3
        service.usual = service.silence
        with pytest.raises(TimedOut, match=r"no answer within 0\.1 s"):
            client.predict(StringRequest("abc"), timeout=100)
        client.close()

    def test_the_endpoint_is_made_once(self):
        client = client_of(lambda sent: b"")
        assert client.endpoint is None
        client.init()
        assert client.endpoint.get() == "http://nowhere"
        client.set_endpoint("https://elsewhere")
        client.predict(StringRequest("abc"))
        assert client.endpoint.get() == "https://elsewhere"

    def test_init_checks_them(self):
        with pytest.raises(InvalidRequest, match="no service name"):
            PredictClient("h").init()
        client = PredictClient("h", "svc")
        client.set_endpoint_type(ENDPOINT_TYPE_VIPSERVER)
        with pytest.raises(InvalidRequest, match="vendor's own network"):
            client.init()

    def test_an_impossible_timeout(self):
        with pytest.raises(InvalidRequest, match="above 0, got 0"):
            PredictClient().set_timeout(0)

    def test_vendors_defaults_and_attributes(self):
        client = PredictClient()
        assert (client.retry_count, client.timeout, client.max_connection_count) == (5, 5000, 100)
        assert (client.token, client.headers, client.endpoint_type) == ("", {}, "")
        client.retry_count = 2
        assert client.retry_policy == RetryPolicy(attempts=2)

    def test_log_level(self):
        logger = logging.getLogger("eas_prediction")
        before = logger.level
        client = PredictClient()
        client.set_log_level(logging.DEBUG)
        assert client.logger is logger
        assert logger.level == logging.DEBUG
        assert not logger.handlers
        logger.setLevel(before)

    def test_close_closes_the_transport(self):
        with client_of(lambda sent: b"") as client:
            assert not client.transport.closed
        assert client.transport.closed


@pytest.mark.parametrize("real", [True, False], ids=["over sockets", "with forced switches"])
def test_threads_never_mix_requests(service, real):
    """Headers, MD5 and body of a request belong together, and its answer to it."""

    def check(headers, body):
        assert headers["Content-MD5"] == hashlib.md5(body).hexdigest()
        assert headers["X-Call"].encode() == body
        assert headers["Authorization"] == signature("tok", headers, "/api/predict/svc")
        return body

    def echo(handler):
        names = ("Content-MD5", "Content-Type", "Date", "Authorization", "X-Call")
        body = handler.received.body
        check({name: handler.headers[name] for name in names}, body)
        service.status(200, body)(handler)

    service.usual = echo
    client = PredictClient(service.address, "svc")
    if not real:
        client.connection_pool = FakeTransport(lambda sent: check(sent.headers, sent.body))
    client.set_token("tok")
    client.set_timeout(60_000)  # with forced switches, a loaded machine needs more than 5 s
    client.set_max_connection_count(12)
    wrong = []

    def predict(number):
        for turn in range(50):
            text = f"{number} {turn}"
            try:
                if str(client.predict(StringRequest(text), headers={"X-Call": text})) != text:
                    wrong.append(text)
            except Exception as error:
                wrong.append(f"{text}: {error}")

    threads = [threading.Thread(target=predict, args=(number,)) for number in range(16)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    client.close()
    assert not wrong
    sent = service.requests if real else client.transport.requests
    assert len(sent) == 16 * 50
    assert {each.body for each in sent} == {
        f"{number} {turn}".encode() for number in range(16) for turn in range(50)
    }
