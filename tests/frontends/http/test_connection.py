"""HTTP/1.1 on one connection: the bytes in, the requests they are, the answers and their order."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eas_processor.contracts.refusals import NotReady

Bytes = Callable[..., bytes]

CHUNKED = (
    b"POST /api/predict/echo HTTP/1.1\r\nHost: h\r\nAuthorization: t\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n3;of=it\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
)


# Bytes into requests


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 50, 120, 0])
def test_requests_are_the_same_in_every_cut(desk: Any, post: Bytes, piece: int) -> None:
    desk.client.send(post(b"one") + CHUNKED + post(b"three" * 100) + post(b"4"), piece)
    assert desk.admission.bodies == [b"one", b"abcde", b"three" * 100, b"4"]
    assert [each.size for each in desk.admission.submitted] == [3, 5, 500, 1]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cuts=st.lists(st.integers(1, 900)), bodies=st.lists(st.binary(min_size=1), max_size=5))
def test_any_cut_gives_the_same_requests(
    make_desk: Any, post: Bytes, cuts: list[int], bodies: list[bytes]
) -> None:
    desk = make_desk()
    data = b"".join(map(post, bodies))
    ends = [*sorted(cuts), len(data)]
    for start, end in pairwise([0, *ends]):
        if piece := data[start:end]:
            desk.client.send(piece)
    assert desk.admission.bodies == bodies
    desk.answer_all()
    assert [each.body for each in desk.client.responses] == bodies


def test_a_body_that_comes_late_is_kept_in_the_pieces_it_came_in(desk: Any, post: Bytes) -> None:
    pieces = [bytes([number]) * 5000 for number in range(4)]
    desk.client.send(post(pieces[0], size=20000))
    for piece in pieces[1:]:
        desk.client.send(piece)
    (request,) = desk.admission.submitted
    assert request.body == pieces
    assert list(map(id, request.body[1:])) == list(map(id, pieces[1:]))


def test_a_body_in_tiny_pieces_does_not_become_a_long_list(desk: Any, post: Bytes) -> None:
    body = bytes(range(256)) * 80
    desk.client.send(post(size=len(body)) + body, piece=7)
    assert desk.admission.bodies == [body]
    assert len(desk.admission.submitted[0].body) < 10


def test_whitespace_around_a_header_value_is_not_part_of_it(desk: Any, post: Bytes) -> None:
    data = post(b"x", "Content-Encoding: \t identity \t", token=" t \t ")
    desk.client.send(data)
    desk.client.send(data.replace(b"Content-Length: 1", b"Transfer-Encoding: chunked ")[:-1])
    desk.client.send(b"1\r\nx\r\n0\r\n\r\n")
    assert desk.admission.bodies == [b"x", b"x"]


def test_the_service_is_found_by_percent_encoded_name_and_by_whole_url(
    desk: Any, http: Bytes
) -> None:
    lines = ["Authorization: t", "Content-Length: 1"]
    for target in ("/api/predict/%65cho/deeper?q=1", "http://proxy.example/api/predict/echo?q=1"):
        desk.client.send(http("POST", target, *lines) + b"x")
    assert desk.admission.bodies == [b"x", b"x"]


def test_the_signature_covers_the_query_of_a_whole_url(desk: Any, http: Bytes) -> None:
    signed = "Authorization: EAS EINQ0YjYM8O8QK6o9IUiLmRb7Hw="
    desk.client.send(http("GET", "http://h/api/predict/echo?a=1", signed))
    assert desk.client.response.status == 200


def test_an_offer_of_http_2_is_ignored(desk: Any, post: Bytes, http: Bytes) -> None:
    offer = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"]
    whole = post(b"abc", *offer)
    desk.client.send(whole + http("GET", "/healthz", *offer) + whole)
    desk.client.send(whole, piece=20)
    assert desk.admission.bodies == [b"abc", b"abc", b"abc"]
    desk.answer_all()
    assert [each.status for each in desk.client.responses] == [200] * 4


def test_many_offers_of_http_2_in_one_piece_are_many_requests(desk: Any, http: Bytes) -> None:
    offer = http("GET", "/healthz", "Connection: Upgrade", "Upgrade: h2c")
    desk.client.send(offer * 2000)
    assert len(desk.client.responses) == 2000


# What is answered


def test_an_answer_has_the_head_that_clients_expect(desk: Any, post: Bytes) -> None:
    desk.client.send(post(b"abc"))
    desk.admission.submitted[0].answer(0, [b"ab", b"c"])
    response = desk.client.response
    assert (response.status, response.body) == (200, b"abc")
    assert response.headers["content-type"] == "application/octet-stream"
    assert "connection" not in response.headers


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_empty_request_is_answered_with_the_signature(
    desk: Any, http: Bytes, method: str
) -> None:
    desk.client.send(http(method, "/api/predict/echo", "Authorization: t"))
    response = desk.client.response
    assert (response.status, response.body) == (200, b'{"signature_name": "echo"}')
    assert response.headers["content-type"] == "application/json"
    assert not desk.admission.watched and not desk.admission.submitted


def test_an_empty_chunked_post_is_answered_with_the_signature(desk: Any) -> None:
    desk.client.send(CHUNKED.partition(b"3;of")[0] + b"0\r\n\r\n")
    assert desk.client.response.body == b'{"signature_name": "echo"}'


def test_a_model_without_a_signature_is_refused_in_words(desk: Any, http: Bytes) -> None:
    desk.info.update(info_code=3, info="a frozen graph has none")
    desk.client.send(http("GET", "/api/predict/echo", "Authorization: t"))
    response = desk.client.response
    assert (response.status, response.body) == (400, b"a frozen graph has none")
    assert response.headers["content-type"].startswith("text/plain")


def test_no_ready_instance_has_no_signature_to_give(desk: Any, http: Bytes) -> None:
    desk.info.clear()
    desk.client.send(http("GET", "/api/predict/echo", "Authorization: t"))
    assert desk.client.response.status == 503


def test_health_needs_no_token_and_no_body(desk: Any, http: Bytes) -> None:
    desk.client.send(http("GET", "/healthz"))
    desk.client.send(http("GET", "http://h/readyz?verbose"))
    desk.client.send(http("POST", "/healthz", "Content-Length: 0"))
    assert [each.body for each in desk.client.responses] == [b"alive", b"ready", b"alive"]


def test_small_routes_take_no_body(desk: Any, http: Bytes) -> None:
    discovery = "/exported/apis/eas.alibaba-inc.k8s.io/v1/upstreams/echo"
    for target in ("/healthz", "/readyz", "/metrics", discovery):
        client = desk.new_client()
        client.send(http("POST", target, "Content-Length: 3") + b"abc" + http("GET", "/healthz"))
        refused, alive = client.responses
        assert refused.status == 413 and b"no body" in refused.body
        assert alive.body == b"alive"
        chunked = desk.new_client()
        chunked.send(http("POST", target, "Transfer-Encoding: chunked"))
        assert chunked.response.status == 413
        assert chunked.transport.half_closed


def test_an_answer_to_head_has_no_body(desk: Any, http: Bytes) -> None:
    desk.client.send(http("HEAD", "/healthz") + http("HEAD", "/api/predict/echo"))
    alive, separator, refused = desk.client.transport.written.partition(b"\r\n\r\n")
    assert alive.startswith(b"HTTP/1.1 200") and b"Content-Length: 5" in alive and separator
    assert refused.startswith(b"HTTP/1.1 405") and refused.endswith(b"\r\n\r\n")


# The order of answers


def test_pipelined_requests_are_answered_in_their_order(desk: Any, post: Bytes) -> None:
    desk.client.send(post(b"1") + post(b"2") + post(b"3"))
    first, second, third = desk.admission.submitted
    third.answer(0, [b"three"])
    second.answer(3, [b"two"])
    assert desk.client.transport.written == b""
    first.answer(0, [b"one"])
    assert [(each.status, each.body) for each in desk.client.responses] == [
        (200, b"one"),
        (400, b"two"),
        (200, b"three"),
    ]


def test_a_refusal_waits_for_the_answers_before_it(desk: Any, post: Bytes) -> None:
    desk.client.send(post(b"1") + post(b"2", token="wrong") + post(b"3"))
    first, third = desk.admission.submitted
    third.answer(0, [b"three"])
    first.answer(0, [b"one"])
    assert [each.status for each in desk.client.responses] == [200, 401, 200]


def test_bytes_that_are_no_request_are_refused_after_the_answers_before_them(
    desk: Any, post: Bytes
) -> None:
    desk.client.send(post(b"1") + b"\x16\x03\x01")
    desk.client.send(post(b"not a request any more"))
    (first,) = desk.admission.submitted
    first.answer(0, [b"one"])
    assert [each.status for each in desk.client.responses] == [200, 400]
    assert desk.client.transport.half_closed


def test_too_many_requests_at_once_are_left_in_the_socket(desk: Any, post: Bytes) -> None:
    for _ in range(33):
        desk.client.send(post(b"x"))
    assert not desk.client.transport.reading
    desk.admission.submitted[0].answer(0, [b"x"])
    assert desk.client.transport.reading


# Staying and going


def test_the_connection_stays_open_for_the_next_request(desk: Any, post: Bytes) -> None:
    for number in range(3):
        desk.client.send(post(b"%d" % number))
        desk.answer_all()
    assert not desk.client.transport.closed
    assert [each.body for each in desk.client.responses] == [b"0", b"1", b"2"]


def test_connection_close_is_obeyed(desk: Any, post: Bytes) -> None:
    desk.client.send(post(b"1", "Connection: close"))
    desk.client.send(post(b"ignored"))
    assert desk.admission.bodies == [b"1"]
    desk.answer_all()
    assert desk.client.response.headers["connection"] == "close"
    assert desk.client.transport.closed


@pytest.mark.parametrize(
    ("lines", "stays", "says"),
    [([], False, "close"), (["Connection: keep-alive"], True, "keep-alive")],
)
def test_http_1_0_stays_only_when_asked(
    desk: Any, http: Bytes, lines: list[str], stays: bool, says: str
) -> None:
    desk.client.send(http("GET", "/healthz", *lines, version="1.0"))
    assert desk.client.response.headers["connection"] == says
    assert desk.client.transport.closed is not stays


def test_http_1_0_needs_no_host(desk: Any) -> None:
    desk.client.send(b"GET /healthz HTTP/1.0\r\n\r\n")
    assert desk.client.response.status == 200


def test_a_client_that_leaves_takes_its_requests_along(desk: Any, post: Bytes) -> None:
    desk.client.send(post(b"1") + post(b"2") + post(b"half", size=100))
    first, second = desk.admission.submitted
    second.answer(0, [b"2"])
    (_, third) = desk.admission.watched
    desk.client.leave()
    assert desk.admission.withdrawn == [first, third]
    assert not desk.admission.watched and not desk.server.connections
    first.answer(0, [b"too late"])
    assert desk.client.transport.written == b""


def test_an_answered_request_keeps_no_body(desk: Any, post: Bytes) -> None:
    desk.client.send(post(b"abc"))
    desk.answer_all()
    assert desk.admission.submitted[0].body == []


def test_when_draining_the_last_answer_of_a_connection_closes_it(desk: Any, post: Bytes) -> None:
    desk.client.send(post(b"1") + post(b"2"))
    desk.server.draining = True
    first, second = desk.admission.submitted
    first.answer(0, [b"1"])
    assert not desk.client.transport.closed
    second.refuse(NotReady("gone"))
    one, two = desk.client.responses
    assert "connection" not in one.headers and two.headers["connection"] == "close"
    assert desk.client.transport.closed


def test_when_draining_a_request_that_has_begun_is_still_answered(desk: Any, post: Bytes) -> None:
    data = post(b"1")
    desk.client.send(data + data[:10])
    desk.server.draining = True
    desk.answer_all()
    desk.client.connection.close_if_idle(desk.client.connection.since)
    assert not desk.client.transport.closed
    desk.client.send(data[10:])
    desk.admission.submitted[1].answer(0, [b"2"])
    assert [each.body for each in desk.client.responses] == [b"1", b"2"]
    assert desk.client.transport.closed


def test_only_a_connection_that_has_been_idle_for_a_while_is_closed_when_draining(
    desk: Any,
) -> None:
    since = desk.client.connection.since
    desk.client.connection.close_if_idle(since - 0.1)
    assert not desk.client.transport.closed
    desk.client.connection.close_if_idle(since)
    assert desk.client.transport.closed
