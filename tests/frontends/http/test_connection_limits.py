"""What a connection does with requests it does not want, and with clients that are slow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import thread_time
from typing import Any

import pytest

from eas_processor.contracts.refusals import QueueFull
from eas_processor.frontends.router import Router

Bytes = Callable[..., bytes]

MiB = 1024 * 1024
LINES = ["Authorization: t"]
CHUNKED = "Transfer-Encoding: chunked"


# Bytes that are not a request


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\nHost: h\n\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: h\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n folded: header\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"
        b"\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nhost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: t\r\nAuthorization: t\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\nContent-Encoding: gzip\r\n\r\n",
        b"POST /api/predict/echo HTTP/1.1\r\nHost: h\r\nAuthorization: t\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nfour\r\nabcd",
    ],
)
@pytest.mark.parametrize("piece", [0, 1])
def test_what_is_not_http_1_1_is_refused_and_nothing_after_it_is_read(
    desk: Any, data: bytes, piece: int
) -> None:
    smuggled = b"POST /api/predict/echo HTTP/1.1\r\nHost: h\r\nAuthorization: t\r\n\r\n"
    desk.client.send(data + smuggled, piece)
    assert desk.client.response.status == 400
    assert desk.client.transport.half_closed
    assert desk.admission.submitted == []


def test_an_upgrade_with_a_chunked_body_smuggles_nothing_in(desk: Any, http: Bytes) -> None:
    lines = [*LINES, "Connection: Upgrade", "Upgrade: h2c", CHUNKED]
    inner = http("GET", "/healthz")
    data = http("POST", "/api/predict/echo", *lines) + b"%x\r\n" % len(inner) + inner
    desk.client.send(data)
    assert desk.client.response.status == 400
    assert desk.client.transport.half_closed


def test_a_failure_of_the_engine_is_not_blamed_on_the_client(
    desk: Any, http: Bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Router, "find", lambda *_: 1 / 0)
    desk.client.send(http("GET", "/anywhere"))
    assert desk.client.response.status == 500
    assert desk.client.transport.half_closed


# Requests that are refused


def refused(http: Bytes, status: int) -> bytes:
    """Return the head of a request without body that is refused with `status`."""
    method, path, token = {
        401: ("POST", "/api/predict/echo", "wrong"),
        404: ("POST", "/api/predict/nobody", "t"),
        405: ("PUT", "/api/predict/echo", "t"),
    }[status]
    return http(method, path, f"Authorization: {token}", "{}")


@pytest.mark.parametrize("status", [401, 404, 405])
@pytest.mark.parametrize("piece", [0, 1000])
def test_a_small_refused_body_is_read_away_and_the_connection_goes_on(
    desk: Any, http: Bytes, post: Bytes, status: int, piece: int
) -> None:
    head = refused(http, status).replace(b"{}", b"Content-Length: 5000")
    desk.client.send(head + b"x" * 5000 + post(b"next"), piece)
    desk.answer_all()
    first, second = desk.client.responses
    assert (first.status, second.body) == (status, b"next")
    assert desk.admission.bodies == [b"next"]


@pytest.mark.parametrize(
    "line", [f"Content-Length: {2 * MiB}", f"Content-Length: {2**64 - 1}", CHUNKED]
)
@pytest.mark.parametrize("status", [401, 404, 405])
def test_a_large_refused_body_is_refused_at_once_and_thrown_away(
    desk: Any, http: Bytes, line: str, status: int
) -> None:
    desk.client.send(refused(http, status).replace(b"{}", line.encode()))
    response = desk.client.response
    assert response.status == status and response.headers["connection"] == "close"
    # Closed on our side only: a reset could overtake the answer.
    assert desk.client.transport.half_closed and not desk.client.transport.closed
    desk.client.send(b"x" * MiB)
    assert len(desk.client.responses) == 1


def test_a_body_over_the_limit_is_refused_before_it_comes(make_desk: Any, post: Bytes) -> None:
    desk = make_desk(max_body=1000)
    desk.client.send(post(b"x" * 1000))
    assert len(desk.admission.submitted) == 1
    desk = make_desk(max_body=2 * MiB)
    desk.client.send(post(size=2 * MiB + 1))
    assert desk.client.response.status == 413


def test_a_chunked_body_over_the_limit_is_refused_when_it_gets_there(
    make_desk: Any, http: Bytes
) -> None:
    desk = make_desk(max_body=1000)
    desk.client.send(http("POST", "/api/predict/echo", *LINES, CHUNKED))
    desk.client.send(b"200\r\n" + b"x" * 512 + b"\r\n")
    assert desk.client.transport.written == b""
    desk.client.send(b"200\r\n" + b"x" * 512 + b"\r\n")
    assert desk.client.response.status == 413
    assert not desk.admission.watched


def test_a_full_queue_refuses_a_large_body_before_it_comes(desk: Any, post: Bytes) -> None:
    desk.admission.busy = QueueFull("all are busy")
    desk.client.send(post(size=2 * MiB))
    response = desk.client.response
    assert (response.status, response.body) == (450, b"all are busy")
    assert response.headers["retry-after"] == "1"


def test_405_says_what_is_allowed(desk: Any, http: Bytes) -> None:
    desk.client.send(http("DELETE", "/api/predict/echo", *LINES))
    assert desk.client.response.headers["allow"] == "GET, POST"


def test_100_continue_is_sent_to_who_waits_for_it(desk: Any, post: Bytes) -> None:
    desk.client.send(post(b"", "Expect: 100-continue", size=3))
    assert desk.client.transport.written == b"HTTP/1.1 100 Continue\r\n\r\n"
    desk.client.send(b"abc")
    desk.answer_all()
    assert [each.status for each in desk.client.responses] == [100, 200]


def test_100_continue_is_not_for_http_1_0(desk: Any, http: Bytes) -> None:
    lines = [*LINES, "Expect: 100-continue", "Content-Length: 3"]
    desk.client.send(http("POST", "/api/predict/echo", *lines, version="1.0"))
    assert desk.client.transport.written == b""


def test_a_refusal_comes_instead_of_100_continue(desk: Any, post: Bytes) -> None:
    desk.client.send(post(b"", "Expect: 100-continue", token="wrong", size=3))
    assert desk.client.response.status == 401
    assert desk.client.transport.half_closed


def test_a_head_without_end_is_refused(make_desk: Any, http: Bytes) -> None:
    desk = make_desk(max_head=1000)
    desk.client.send(b"GET /" + b"x" * 1500, piece=100)
    assert desk.client.response.status == 431
    assert desk.client.transport.half_closed


@pytest.mark.parametrize("piece", [0, 100])
def test_a_whole_head_over_the_limit_is_refused_however_it_comes(
    make_desk: Any, http: Bytes, piece: int
) -> None:
    lines = [f"A{number}: {'x' * 90}" for number in range(20)]
    assert len(http("GET", "/healthz", *lines)) < 2000
    desk = make_desk(max_head=2000)
    desk.client.send(http("GET", "/healthz", *lines), piece)
    desk.client.send(http("GET", "/healthz", *lines, *lines), piece)
    assert [each.status for each in desk.client.responses] == [200, 431]


def test_what_comes_before_a_head_does_not_count_as_head(make_desk: Any, http: Bytes) -> None:
    desk = make_desk(max_head=1000)
    request = http("GET", "/healthz")
    desk.client.send(request * 100 + request[:-1])
    desk.client.send(request[-1:])
    assert [each.status for each in desk.client.responses] == [200] * 101


@pytest.mark.parametrize(
    "framing",
    [
        b"0\r\nX: " + b"a" * 200_000,
        b"0\r\n" + b"X: y\r\n" * 20_000,
        b"1;" + b"a" * 200_000,
        b"0" * 200_000 + b"1\r\na\r\n",
        b"1;abcdefghijklmnopqrst\r\na\r\n" * 10_000,
    ],
    ids=["trailer", "trailers", "extension", "zeros", "extensions"],
)
def test_what_is_neither_head_nor_body_is_limited_too(
    make_desk: Any, http: Bytes, framing: bytes
) -> None:
    desk = make_desk(max_head=64 * 1024)
    head = http("POST", "/api/predict/echo", *LINES, CHUNKED)
    desk.client.send(head + framing, piece=100_000)
    assert desk.client.response.status in (400, 431)
    assert desk.client.transport.half_closed


def test_a_body_may_come_in_any_number_of_chunks(make_desk: Any, http: Bytes) -> None:
    desk = make_desk(max_head=64 * 1024)
    for piece in (b"1\r\na\r\n" * 50_000, (b"400\r\n" + b"a" * 1024 + b"\r\n") * 12_000):
        client = desk.new_client()
        client.send(http("POST", "/api/predict/echo", *LINES, CHUNKED) + piece, piece=200_000)
        client.send(b"0\r\nX: y\r\n\r\n")
        assert len(desk.admission.bodies.pop()) == piece.count(b"a")
        assert client.responses == []


@pytest.mark.parametrize("excess", [b"0\r\nX: " + b"a" * 200_000, b"1;" + b"a" * 200_000])
def test_small_chunks_do_not_buy_room_for_what_is_no_body(
    make_desk: Any, http: Bytes, excess: bytes
) -> None:
    desk = make_desk(max_head=64 * 1024)
    head = http("POST", "/api/predict/echo", *LINES, CHUNKED)
    desk.client.send(head + b"1\r\na\r\n" * 50_000, piece=100_000)
    assert desk.client.responses == []
    desk.client.send(excess, piece=100_000)
    assert desk.client.response.status == 431


@pytest.mark.parametrize("flood", ["requests", "chunks"])
async def test_what_takes_long_to_parse_waits_for_its_turns(
    make_desk: Any, http: Bytes, eventually_async: Any, flood: str
) -> None:
    desk = make_desk()
    if flood == "requests":
        data = http("GET", "/healthz") * 4000
    else:
        chunked = http("POST", "/api/predict/echo", *LINES, CHUNKED)
        data = chunked + b"1\r\na\r\n" * 50_000 + b"0\r\n\r\n"
    # Time of the processor: a busy machine takes it away for as long as it likes.
    longest, over = 0.0, False

    async def watch() -> None:
        nonlocal longest
        while not over:
            begin = thread_time()
            await asyncio.sleep(0)
            longest = max(longest, thread_time() - begin)

    watching = asyncio.create_task(watch())
    begin = thread_time()
    desk.client.send(data)
    first = thread_time() - begin
    if flood == "requests":
        await eventually_async(lambda: desk.client.transport.written.count(b"alive") == 4000)
    else:
        await eventually_async(lambda: desk.admission.bodies == [b"a" * 50_000])
    over = True
    await watching
    assert first < (thread_time() - begin) / 2 and longest < 0.25
    assert desk.client.transport.reading


def test_trailers_are_not_taken_for_headers(desk: Any, http: Bytes) -> None:
    head = http("POST", "/api/predict/echo", CHUNKED, *LINES)
    desk.client.send(head + b"1\r\nx\r\n0\r\nX-Eas-Timing: 1\r\nX-Request-Id: other\r\n\r\n")
    (request,) = desk.admission.submitted
    assert request.id != b"other" and not request.route.timed


# Deadlines and slow clients


def test_a_request_late_while_it_arrives_is_refused_and_the_connection_ends(
    desk: Any, post: Bytes
) -> None:
    desk.client.send(post(b"half", size=100))
    (request,) = desk.admission.watched
    request.answer(4, [b"too late"])
    desk.client.send(b"x" * 96 + post(b"next"))
    response = desk.client.response
    assert response.status == 408 and response.headers["connection"] == "close"
    assert desk.client.transport.half_closed
    assert desk.admission.submitted == []


def test_a_request_late_behind_another_is_answered_once_and_in_its_place(
    desk: Any, post: Bytes
) -> None:
    desk.client.send(post(b"1") + post(b"half", size=100))
    first, second = desk.admission.watched
    second.answer(4, [b"too late"])
    desk.client.send(b"x" * 96 + post(b"next"))
    first.answer(0, [b"one"])
    assert [each.status for each in desk.client.responses] == [200, 408]
    assert desk.admission.bodies == [b"1"]


def test_requests_behind_a_late_one_are_withdrawn(desk: Any, post: Bytes) -> None:
    desk.client.send(post(b"1") + post(b"2"))
    first, second = desk.admission.submitted
    first.answer(4, [b"too late"])
    assert desk.admission.withdrawn == [second]


def test_half_a_head_is_not_waited_for_longer_than_its_time(desk: Any, http: Bytes) -> None:
    since, limit = desk.client.connection.since, desk.server.settings.head_timeout
    desk.client.send(http("GET", "/healthz")[:-1])
    desk.client.connection.check_time(since + limit - 1)
    assert desk.client.transport.written == b""
    desk.client.connection.check_time(since + limit + 1)
    assert desk.client.response.status == 408
    assert desk.client.transport.half_closed


def test_half_a_head_that_is_left_in_the_socket_is_not_late(desk: Any, post: Bytes) -> None:
    connection, limit = desk.client.connection, desk.server.settings.head_timeout
    desk.client.send(post(b"x") * 33 + post(b"x")[:10])
    assert not desk.client.transport.reading
    connection.check_time(connection.since + limit + 1)
    desk.admission.submitted[0].answer(0, [b"x"])
    assert desk.client.transport.reading
    connection.check_time(connection.since + limit - 1)
    assert desk.client.response.status == 200
    connection.check_time(connection.since + limit + 1)
    desk.answer_all()
    assert desk.client.responses[-1].status == 408


@pytest.mark.parametrize("path", ["/api/predict/nobody", "/healthz"])
def test_a_body_that_nobody_wants_is_not_waited_for_longer_either(
    desk: Any, http: Bytes, path: str
) -> None:
    desk.client.send(http("POST", path, "Content-Length: 1000"))
    desk.client.connection.check_time(desk.client.connection.since + 11)
    assert desk.client.transport.half_closed


def test_the_body_of_a_service_has_the_deadline_of_the_service(desk: Any, post: Bytes) -> None:
    desk.client.send(post(size=1000))
    desk.client.connection.check_time(desk.client.connection.since + 1e6)
    assert desk.client.transport.written == b""


def test_an_idle_connection_is_closed_after_its_time(desk: Any) -> None:
    since, limit = desk.client.connection.since, desk.server.settings.idle_timeout
    desk.client.connection.check_time(since + limit - 1)
    assert not desk.client.transport.closed
    desk.client.connection.check_time(since + limit + 1)
    assert desk.client.transport.closed


def test_a_refused_client_that_does_not_go_is_cut_off_once_it_has_the_answer(
    desk: Any, post: Bytes
) -> None:
    desk.client.send(post(size=2 * MiB, token="wrong"))
    desk.client.transport.unsent = 10
    desk.client.connection.check_time(desk.client.connection.since + 3)
    assert not desk.client.transport.aborted
    desk.client.transport.unsent = 0
    desk.client.connection.check_time(desk.client.connection.since + 3)
    assert desk.client.transport.aborted


def test_a_client_that_does_not_read_is_not_read_from(desk: Any, post: Bytes) -> None:
    desk.client.send(post(b"1") + post(b"2"))
    desk.client.connection.pause_writing()
    assert not desk.client.transport.reading
    desk.answer_all()
    assert not desk.client.transport.reading
    desk.client.connection.resume_writing()
    assert desk.client.transport.reading


def test_a_connection_that_is_closed_half_reads_on_so_that_it_sees_the_client_go(
    desk: Any, post: Bytes
) -> None:
    desk.client.send(post(b"1", "Connection: close"))
    desk.client.connection.pause_writing()
    desk.answer_all()
    assert desk.client.transport.half_closed
    assert desk.client.transport.reading


# Requests sent without waiting


@pytest.mark.parametrize("body", [b"1", b"2" * 100, b"3" * 3000])
def test_a_flood_in_one_read_is_held_back_and_answered_in_turn(
    desk: Any, post: Bytes, body: bytes
) -> None:
    most = 33 + 8192 // len(post(body))
    desk.client.send(post(body) * 300)
    assert not desk.client.transport.reading
    answered = 0
    while answered < len(desk.admission.submitted):
        assert len(desk.admission.submitted) - answered <= most
        desk.admission.submitted[answered].answer(0, [b"x"])
        answered += 1
    assert [each.status for each in desk.client.responses] == [200] * 300
    assert desk.client.transport.reading


def test_a_flood_of_refusals_in_one_read_ends(desk: Any, post: Bytes) -> None:
    desk.client.send(post(b"1") + post(b"2", token="wrong") * 500)
    assert not desk.client.transport.reading
    desk.answer_all()
    assert len(desk.client.responses) == 501
    assert desk.client.transport.reading


# Clients that do not read


def test_a_client_that_reads_nothing_for_a_minute_is_dropped(desk: Any) -> None:
    connection, transport = desk.client.connection, desk.client.transport
    start, limit = connection.since, desk.server.settings.send_timeout
    transport.unsent = 3
    connection.check_time(start + 1)
    transport.unsent = 2
    connection.check_time(start + limit)
    connection.check_time(start + 2 * limit - 1)
    assert not transport.aborted
    connection.check_time(start + 2 * limit + 1)
    assert transport.aborted


def test_an_answer_that_is_written_is_not_kept_with_the_head_that_is_known(
    desk: Any, post: Bytes
) -> None:
    desk.client.send(post(b"1"))
    (request,) = desk.admission.submitted
    request.answer(0, [bytes(MiB)])
    assert request.answered and request.reply is None
