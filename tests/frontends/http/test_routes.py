"""The seam between HTTP and its frontends: handlers, refusals, and what a connection lets go."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from collections.abc import Mapping
from typing import Any

import pytest
from fixtures.engine import FakeClient, TurnsWithoutLoop, http

from eas_processor.contracts.settings import EngineSettings
from eas_processor.frontends.http.head import Head
from eas_processor.frontends.http.heads import TEXT
from eas_processor.frontends.http.refusals import HttpRefusal, MethodNotAllowed
from eas_processor.frontends.http.request import HttpRequest, Reply
from eas_processor.frontends.http.routes import Handler, Refused, Route, SlowRoute
from eas_processor.frontends.http.server import HttpServer

GET = http("GET", "/x")


class OneHandler:
    """Routes that have `handler` answer everything."""

    refuses_in_json = False

    def __init__(self, handler: Handler, *, takes_body: bool = False) -> None:
        self.handler = handler
        self.takes_body = takes_body
        self.found: list[Head] = []

    def find(self, head: Head, headers: Mapping[bytes, bytes]) -> Route:
        self.found.append(head)
        return SlowRoute(head, self.handler, takes_body=self.takes_body)


def served(handler: Handler, *, keep_alive: bool = True, **options: Any) -> FakeClient:
    routes = OneHandler(handler, **options)
    server = HttpServer(EngineSettings(max_body=1000), routes, keep_alive=keep_alive)
    server.turns = TurnsWithoutLoop()
    return FakeClient(server)


def at_once(request: HttpRequest) -> Reply:
    return Reply(200, TEXT, [b"at ", b"once"])


def fail(error: Exception) -> Handler:
    def handler(request: HttpRequest) -> Reply:
        raise error

    return handler


class Slow:
    """A handler that waits, and notes what becomes of it."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.said: list[str] = []

    async def __call__(self, request: HttpRequest) -> Reply:
        self.said.append("began")
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.said.append("cancelled")
            raise
        self.said.append("done")
        return Reply(200, TEXT, [b"at last"])


def test_a_function_answers_at_once() -> None:
    client = served(at_once)
    client.send(GET * 2)
    assert [each.body for each in client.responses] == [b"at once"] * 2


async def test_a_coroutine_answers_when_it_is_over_and_in_its_place(eventually_async: Any) -> None:
    slow = Slow()

    def handler(request: HttpRequest) -> Any:
        return slow(request) if request.head.path == b"/x" else at_once(request)

    client = served(handler)
    client.send(GET + http("GET", "/y"))
    await eventually_async(lambda: slow.said)
    assert client.transport.written == b""
    slow.gate.set()
    await eventually_async(lambda: client.transport.written)
    assert [each.body for each in client.responses] == [b"at last", b"at once"]


async def test_no_limit_of_time_ends_a_handler(eventually_async: Any) -> None:
    slow = Slow()
    client = served(slow)
    client.send(GET)
    await eventually_async(lambda: slow.said)
    for _ in range(3):
        client.connection.check_time(client.connection.since + 1e6)
    assert not client.transport.closed
    slow.gate.set()
    await eventually_async(lambda: client.transport.written)
    assert client.response.body == b"at last"


async def test_a_handler_goes_on_when_the_client_leaves(eventually_async: Any) -> None:
    slow = Slow()
    client = served(slow)
    client.send(GET)
    await eventually_async(lambda: slow.said)
    client.leave()
    slow.gate.set()
    await eventually_async(lambda: slow.said == ["began", "done"])
    assert client.transport.written == b""


async def test_handlers_end_with_their_server(eventually_async: Any) -> None:
    slow = Slow()
    client = served(slow)
    client.send(GET)
    await eventually_async(lambda: slow.said)
    await client.connection.server.end_tasks()
    assert slow.said == ["began", "cancelled"]
    assert client.transport.aborted


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (HttpRefusal("not now", 409), 409, b"not now"),
        (MethodNotAllowed("no", b"PUT"), 405, b"no"),
        (ZeroDivisionError(), 500, b"the engine failed; its log has the traceback"),
    ],
)
@pytest.mark.parametrize("waits", [False, True])
async def test_a_handler_that_fails(
    error: Exception, status: int, says: bytes, waits: bool, eventually_async: Any
) -> None:
    async def later(request: HttpRequest) -> Reply:
        await asyncio.sleep(0)
        raise error

    client = served(later if waits else fail(error))
    client.send(GET)
    await eventually_async(lambda: client.transport.written)
    assert (client.response.status, client.response.body) == (status, says)
    assert client.response.headers.get("allow") == ("PUT" if status == 405 else None)
    assert client.connection.server.refused == {status: 1}


def test_a_body_is_given_to_who_takes_one() -> None:
    bodies: list[bytes] = []

    def handler(request: HttpRequest) -> Reply:
        bodies.append(b"".join(request.body))
        return at_once(request)

    client = served(handler, takes_body=True)
    client.send(http("POST", "/x", "Content-Length: 3") + b"abc", piece=1)
    client.send(http("POST", "/x", "Transfer-Encoding: chunked") + b"2\r\nde\r\n0\r\n\r\n")
    assert bodies == [b"abc", b"de"]
    budget = client.connection.server.budget
    assert budget.free == budget.limit
    client.send(http("POST", "/x", "Transfer-Encoding: chunked") + b"3e9\r\n" + bytes(1001))
    assert client.responses[-1].status == 413


def test_a_body_that_nobody_waits_for_has_the_time_of_a_head() -> None:
    client = served(at_once, takes_body=True)
    client.send(http("POST", "/x", "Content-Length: 3"))
    client.connection.check_time(client.connection.since + 11)
    assert client.response.status == 408


def test_without_keep_alive_a_connection_takes_one_request() -> None:
    client = served(at_once, keep_alive=False)
    client.send(GET * 3)
    assert client.response.headers["connection"] == "close"
    assert client.transport.closed


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01", 400),
        (GET.replace(b"Host: h\r\n", b""), 400),
        (b"GET /" + b"x" * 99999, 431),
    ],
)
def test_what_http_refuses_is_counted_and_looks_like_other_refusals(
    sent: bytes, status: int
) -> None:
    client = served(at_once)
    client.send(sent)
    assert client.response.status == status and client.response.body
    assert client.response.headers["content-type"].startswith("text/plain")
    assert client.connection.server.refused == {status: 1}
    in_json = served(at_once)
    in_json.connection.server.routes.refuses_in_json = True
    in_json.send(sent)
    error = json.loads(in_json.response.body)
    assert error["code"] == status and error["error"].encode() == client.response.body
    assert error["request_id"] == in_json.response.headers["x-request-id"]


def test_a_refused_head_says_so_to_who_takes_json() -> None:
    client = served(at_once)
    client.send(http("PUT", "/x", "Accept: application/json", "Content-Encoding: br"))
    assert client.response.status == 415
    assert json.loads(client.response.body)["code"] == 415


def test_a_refusal_says_what_is_allowed_when_it_is_written() -> None:
    class Closed(OneHandler):
        def find(self, head: Head, headers: Mapping[bytes, bytes]) -> Route:
            return Refused(head, MethodNotAllowed("closed", b"PUT"))

    client = FakeClient(HttpServer(EngineSettings(), Closed(at_once)))
    client.send(GET)
    assert client.response.status == 405 and client.response.headers["allow"] == "PUT"


def test_a_lost_connection_does_not_wait_for_the_collector(desk: Any, post: Any) -> None:
    client = desk.new_client()
    client.send(post(b"1") + post(b"2") + post(b"half", size=100))
    desk.answer_all()
    desk.admission.submitted.clear()
    desk.admission.watched.clear()
    gone = weakref.ref(client.connection)
    gc.disable()
    try:
        client.leave()
        desk.admission.withdrawn.clear()
        del client
        assert gone() is None
    finally:
        gc.enable()
