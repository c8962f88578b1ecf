"""HTTP/1.1 on one connection, driven without sockets: the bytes in, the bytes out, and their order."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eas_processor.engine import connection as module
from eas_processor.engine.router import Endpoint, Router
from eas_processor.engine.server import HttpServer
from eas_processor.engine.settings import EngineSettings
from eas_processor.errors import NotReady, QueueFull, RequestError

INFO = '{"signature_name": "echo"}'


class FakeAdmission:
    """Notes what it is asked; the test answers the requests."""

    ready = True

    def __init__(self) -> None:
        self.watched: list[Any] = []
        self.submitted: list[Any] = []
        self.withdrawn: list[Any] = []
        self.busy: RequestError | None = None

    def begin(self, request: Any) -> None:
        self.watched.append(request)

    def end(self, request: Any) -> None:
        if request in self.watched:
            self.watched.remove(request)

    def refusal(self, size: int) -> RequestError | None:
        return self.busy

    def submit(self, request: Any) -> None:
        self.submitted.append(request)

    def withdraw(self, request: Any) -> None:
        self.end(request)
        self.withdrawn.append(request)

    @property
    def bodies(self) -> list[bytes]:
        return [b"".join(each.body) for each in self.submitted]

    def echo(self) -> None:
        """Answer every request with its body."""
        for request in self.submitted:
            request.answer(200, [b"".join(request.body)])


class Desk:
    """A server with the service `echo` (token "t"), its admission, and a client of it."""

    def __init__(self, service: Any, client: Any, **settings: Any) -> None:
        self.admission = FakeAdmission()
        self.info = {"info_status": 200, "info": INFO}
        supervisor = SimpleNamespace(info=self.info)
        endpoint = Endpoint(service(token="t"), self.admission, supervisor)  # type: ignore[arg-type]
        self.server = HttpServer(EngineSettings(**settings), Router([endpoint]))
        self.new_client = lambda: client(self.server)
        self.client = self.new_client()


@pytest.fixture
def desk(service: Any, fake_client: Any) -> Desk:
    return Desk(service, fake_client)


@pytest.fixture
def post(post: Callable[..., bytes]) -> Callable[..., bytes]:
    return lambda body=b"", *lines, **kinds: post(body, "Authorization: t", *lines, **kinds)


def get(path: str, *lines: str, method: str = "GET", version: str = "1.1") -> bytes:
    head = [f"{method} {path} HTTP/{version}", "Host: h", *lines]
    return "\r\n".join([*head, "", ""]).encode()


# Bytes into requests


CHUNKED = (
    b"POST /api/predict/echo HTTP/1.1\r\nHost: h\r\nAuthorization: t\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n3;of=it\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
)


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 50, 120, 0])
def test_requests_are_understood_in_every_cut(desk: Desk, post: Any, piece: int) -> None:
    desk.client.send(post(b"one") + CHUNKED + post(b"three" * 100) + post(b"4"), piece)
    assert desk.admission.bodies == [b"one", b"abcde", b"three" * 100, b"4"]
    assert [each.size for each in desk.admission.submitted] == [3, 5, 500, 1]
    desk.admission.echo()
    assert [each.body for each in desk.client.responses] == desk.admission.bodies_sent


@given(cuts=st.lists(st.integers(0, 700)), bodies=st.lists(st.binary(max_size=200), max_size=4))
def test_any_cut_gives_the_same_requests(cuts: list[int], bodies: list[bytes]) -> None:
    ...
