from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import socket
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from eas_processor.errors import ServiceFileError, StartError, UpdateError
from eas_processor.frontends import admin as module
from eas_processor.frontends.admin import AdminServer
from eas_processor.serving.tokens import Tokens


class FakeUpdates:
    """Notes what it is asked."""

    def __init__(self, name: str = "echo", state: str = "serving") -> None:
        self.name, self.state = name, state
        self.asked: list[str] = []
        self.done: list[str] = []
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    def describe(self) -> dict[str, Any]:
        ready = [{"state": "ready"}, {"state": "isolated"}, {"state": "draining"}]
        return {
            "service": self.name,
            "state": self.state,
            "reason": "",
            "file": f"{self.name}.json",
            "version": 3,
            "wanted": 2,
            "instances": ready,
        }

    async def reload(self) -> dict[str, Any]:
        return await self._change("reload")

    async def rollback(self) -> dict[str, Any]:
        return await self._change("rollback")

    async def _change(self, what: str) -> dict[str, Any]:
        self.asked.append(what)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.done.append(what)
        return {"outcome": "done", "version": 2}


class Desk:
    """A listening admin server, and a client of it."""

    def __init__(self) -> None:
        self.updates = FakeUpdates()
        self.services = [self.updates]
        self.server = AdminServer(self, "secret", lambda name: f"token of {name}")
        self.port = 0

    def managed(self) -> list[FakeUpdates]:
        return self.services

    async def metrics_text(self) -> bytes:
        return b"eas_up 1\n"

    async def send(self, raw: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(raw)
        answer = await reader.read()
        writer.close()
        return answer

    async def ask(
        self, method: str, target: str, token: str | None = "secret"
    ) -> tuple[int, dict[str, Any]]:
        lines = [f"{method} {target} HTTP/1.1", "Host: h"]
        if token is not None:
            lines.append(f"Authorization: {token}")
        return answer_of(await self.send("\r\n".join([*lines, "", ""]).encode()))


def answer_of(raw: bytes) -> tuple[int, dict[str, Any]]:
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"Content-Type: application/json\r\n" in head and b"Connection: close" in head
    assert f"Content-Length: {len(body)}".encode() in head
    return int(head.split(b" ")[1]), json.loads(body)


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[Desk]:
    desk = Desk()
    address = urlsplit(await desk.server.listen(0))
    assert address.hostname == "127.0.0.1" and address.port
    desk.port = address.port
    try:
        yield desk
    finally:
        await desk.server.close()


async def test_the_routes() -> None:
    async with listening() as desk:
        assert await desk.ask("GET", "/admin/instances") == (200, desk.updates.describe())
        for what in ("reload", "rollback"):
            answer = await desk.ask("POST", f"/admin/{what}?why=not", "Bearer secret")
            assert answer == (200, {"outcome": "done", "version": 2})
        assert desk.updates.asked == ["reload", "rollback"]


@pytest.mark.parametrize("token", [None, "", "wrong", "secret2", "Bearer wrong"])
@pytest.mark.parametrize("target", ["/admin/reload", "/admin/instances", "/nothing"])
async def test_without_the_admin_token_nothing_is_said(token: str | None, target: str) -> None:
    async with listening() as desk:
        status, answer = await desk.ask("POST", target, token)
        assert status == 401 and "admin token" in answer["error"]
        assert "secret" not in answer["error"].replace("secret2", "")
        assert desk.updates.asked == []


@pytest.mark.parametrize(
    ("method", "target", "status", "says"),
    [
        ("GET", "/", 404, "/admin/instances, /admin/reload, /admin/rollback, /metrics"),
        ("GET", "/admin/reload/", 404, "unknown admin route"),
        ("POST", "/api/predict/echo", 404, "unknown admin route"),
        ("GET", "/admin/reload", 405, "expected POST"),
        ("GET", "/admin/rollback", 405, "expected POST"),
        ("POST", "/admin/instances", 405, "expected GET"),
    ],
)
async def test_other_paths_and_methods(method: str, target: str, status: int, says: str) -> None:
    async with listening() as desk:
        found, answer = await desk.ask(method, target)
        assert found == status and says in answer["error"]
        assert desk.updates.asked == []


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (UpdateError("there is no version before"), 409, "there is no version before"),
        (StartError("the model does not load"), 409, "the model does not load"),
        (ZeroDivisionError(), 500, "its log has the traceback"),
    ],
)
async def test_a_change_that_fails_says_why(error: Exception, status: int, says: str) -> None:
    async with listening() as desk:
        desk.updates.error = error
        found, answer = await desk.ask("POST", "/admin/reload")
        assert found == status and says in answer["error"]


@pytest.mark.parametrize(
    "raw",
    [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nHost : h\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"],
)
async def test_what_is_no_request(raw: bytes) -> None:
    async with listening() as desk:
        status, answer = answer_of(await desk.send(raw))
        assert status == 400 and answer["error"]


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
async def test_a_head_over_the_limit_is_refused(end: bytes) -> None:
    head = b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 2 * module._MAX_REQUEST
    async with listening() as desk:
        status, answer = answer_of(await desk.send(head + end))
        assert status == 431 and "16384 bytes" in answer["error"]


async def test_a_small_body_is_taken_and_not_looked_at() -> None:
    async with listening() as desk:
        answer = await desk.send(RELOAD[:-2] + b"Content-Length: 2\r\n\r\n{}")
        assert answer_of(answer)[0] == 200
        answer = await desk.send(RELOAD[:-2] + b"Content-Length: 20000\r\n\r\n" + bytes(20000))
        assert answer_of(answer)[0] == 413
        assert desk.updates.asked == ["reload"]


async def test_one_connection_takes_one_request() -> None:
    async with listening() as desk:
        assert answer_of(await desk.send(RELOAD * 2))[0] == 200
        assert desk.updates.asked == ["reload"]


async def test_an_offered_upgrade_is_ignored() -> None:
    offer = (
        b"GET /admin/instances HTTP/1.1\r\nHost: h\r\nAuthorization: secret\r\n"
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
    )
    async with listening() as desk:
        assert answer_of(await desk.send(offer))[0] == 200


async def test_who_sends_half_a_request_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE_S", 0.05)
    async with listening() as desk:
        with contextlib.suppress(ConnectionResetError):
            assert await desk.send(b"GET /admin") == b""


async def test_instances_are_shown_while_a_change_is_under_way(eventually_async: Any) -> None:
    async with listening() as desk:
        desk.updates.gate.clear()
        change = asyncio.create_task(desk.ask("POST", "/admin/reload"))
        await eventually_async(lambda: desk.updates.asked)
        assert (await desk.ask("GET", "/admin/instances"))[0] == 200
        assert not change.done()
        desk.updates.gate.set()
        assert (await change)[0] == 200


async def test_a_client_that_leaves_does_not_end_the_change(eventually_async: Any) -> None:
    async with listening() as desk:
        desk.updates.gate.clear()
        _, writer = await asyncio.open_connection("127.0.0.1", desk.port)
        writer.write(RELOAD)
        await eventually_async(lambda: desk.updates.asked)
        writer.close()
        await eventually_async(lambda: not desk.server.connections)
        assert not desk.updates.done
        desk.updates.gate.set()
        await eventually_async(lambda: desk.updates.done)


HEAD = b"GET /admin/instances HTTP/1.1\r\nHost: h\r\nAuthorization: secret\r\n\r\n"
RELOAD = b"POST /admin/reload HTTP/1.1\r\nHost: h\r\nAuthorization: secret\r\n\r\n"


@pytest.mark.parametrize("sent", [b"", b"GET /admin"])
async def test_strangers_are_few_and_lock_nobody_out(sent: bytes, eventually_async: Any) -> None:
    async with listening() as desk:
        await desk.ask("GET", "/admin/instances")
        before = len(os.listdir("/proc/self/fd"))
        crowd = [socket.create_connection(("127.0.0.1", desk.port)) for _ in range(300)]
        for each in crowd:
            each.send(sent)
        # Their ends are ours too.
        limit = before + len(crowd) + module._UNAUTHENTICATED + 2
        for _ in range(20):
            assert await desk.ask("GET", "/admin/instances") == (200, desk.updates.describe())
            assert len(os.listdir("/proc/self/fd")) <= limit
        await eventually_async(lambda: desk.server.dropped >= 300 - module._UNAUTHENTICATED)
        assert desk.server.connections <= module._UNAUTHENTICATED
        for each in crowd:
            each.close()
        await eventually_async(lambda: not desk.server.connections)
        await eventually_async(lambda: len(os.listdir("/proc/self/fd")) <= before)


async def test_a_call_under_way_is_not_closed_for_strangers(eventually_async: Any) -> None:
    async with listening() as desk:
        desk.updates.gate.clear()
        change = asyncio.create_task(desk.ask("POST", "/admin/reload"))
        await eventually_async(lambda: desk.updates.asked)
        crowd = [socket.create_connection(("127.0.0.1", desk.port)) for _ in range(100)]
        await eventually_async(lambda: desk.server.dropped >= 100 - module._UNAUTHENTICATED)
        desk.updates.gate.set()
        assert (await change)[0] == 200
        for each in crowd:
            each.close()


async def test_more_calls_than_are_worked_on_are_told(eventually_async: Any) -> None:
    async with listening() as desk:
        desk.updates.gate.clear()
        calls = [asyncio.create_task(desk.send(RELOAD)) for _ in range(module._AUTHENTICATED)]
        await eventually_async(lambda: len(desk.updates.asked) == module._AUTHENTICATED)
        status, answer = answer_of(await desk.send(HEAD))
        assert status == 503 and answer["error"].startswith(
            "too many admin requests are running (limit 16)"
        )
        assert (await desk.ask("GET", "/admin/instances", None))[0] == 401
        desk.updates.gate.set()
        assert {answer_of(each)[0] for each in await asyncio.gather(*calls)} == {200}
        assert answer_of(await desk.send(HEAD))[0] == 200


async def test_without_a_descriptor_it_waits_and_does_not_spin(
    eventually_async: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening() as desk:
        tries = 0
        accept = desk.server._accept

        async def count(listener: socket.socket) -> None:
            nonlocal tries
            tries += 1
            await accept(listener)

        monkeypatch.setattr(desk.server, "_accept", count)
        loop = asyncio.get_running_loop()
        assert (await desk.ask("GET", "/admin/instances"))[0] == 200  # one is waited for already
        client = socket.socket()
        client.setblocking(False)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
        try:
            await loop.sock_connect(client, ("127.0.0.1", desk.port))
            await loop.sock_sendall(client, HEAD)
            await asyncio.sleep(0.5)
            assert 1 <= tries <= 10
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert answer_of(await loop.sock_recv(client, 65536))[0] == 200
        client.close()


async def test_a_port_that_is_taken_is_said() -> None:
    async with listening() as desk:
        with pytest.raises(StartError, match="--admin-port"):
            await Desk().server.listen(desk.port)


# Several services


async def test_a_request_names_the_service_that_is_meant() -> None:
    async with listening() as desk:
        other = FakeUpdates("other")
        desk.services.append(other)
        assert (await desk.ask("POST", "/admin/reload?service=other"))[0] == 200
        assert (other.asked, desk.updates.asked) == (["reload"], [])
        status, answer = await desk.ask("POST", "/admin/reload")
        assert status == 400 and "?service=NAME; the services are echo, other" in answer["error"]
        status, answer = await desk.ask("GET", "/admin/instances?service=nobody")
        assert (
            status == 404 and "no service 'nobody'; the services are echo, other" in answer["error"]
        )


async def test_a_name_is_that_of_the_service_which_has_it() -> None:
    async with listening() as desk:
        twin = FakeUpdates(state="failed")
        desk.services.insert(0, twin)
        assert (await desk.ask("POST", "/admin/reload?service=echo"))[0] == 200
        assert (twin.asked, desk.updates.asked) == ([], ["reload"])


async def test_all_services_are_listed() -> None:
    async with listening() as desk:
        desk.services.append(FakeUpdates("other", "failed"))
        status, answer = await desk.ask("GET", "/admin/services")
        listed: Any = answer
        assert status == 200 and [each["service"] for each in listed] == ["echo", "other"]
        assert listed[1] == {
            "service": "other",
            "state": "failed",
            "reason": "",
            "file": "other.json",
            "version": 3,
            "wanted": 2,
            "ready": 2,
        }


async def test_the_token_of_any_service_opens_the_door() -> None:
    async with listening() as desk:
        desk.services.append(FakeUpdates("other"))
        for token in ("secret", "token of echo", "Bearer token of other"):
            assert (await desk.ask("GET", "/admin/services", token))[0] == 200
        desk.services.pop()
        assert (await desk.ask("GET", "/admin/services", "token of other"))[0] == 401


async def test_an_engine_without_a_token_lets_nobody_in() -> None:
    async with listening() as desk:
        desk.services.clear()
        desk.server._token = Tokens("")
        for token in (None, "", "secret"):
            assert (await desk.ask("GET", "/admin/services", token))[0] == 401


async def test_metrics_are_there_too() -> None:
    async with listening() as desk:
        raw = await desk.send(b"GET /metrics HTTP/1.1\r\nHost: h\r\nAuthorization: secret\r\n\r\n")
        assert raw.startswith(b"HTTP/1.1 200 ") and raw.endswith(b"\r\n\r\neas_up 1\n")
        assert b"Content-Type: text/plain; version=0.0.4" in raw
        raw = await desk.send(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n")
        assert raw.startswith(b"HTTP/1.1 401 ")


async def test_a_token_that_cannot_be_read_locks_out_nobody_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def token_of(name: str) -> str:
        if name == "echo":
            raise ServiceFileError("token: others can read it")
        return f"token of {name}"

    async with listening() as desk:
        desk.services.append(FakeUpdates("other"))
        desk.server._token_of = token_of
        for token in ("secret", "token of other"):
            assert (await desk.ask("GET", "/admin/services", token))[0] == 200
        assert (await desk.ask("GET", "/admin/services", "token of echo"))[0] == 401
        (said,) = [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
        assert said == "echo: its admin token is not accepted: token: others can read it"


async def test_a_service_may_get_its_token_later() -> None:
    tokens = {"echo": ""}
    async with listening() as desk:
        desk.server._token_of = tokens.__getitem__
        for token in ("", "later"):
            assert (await desk.ask("GET", "/admin/services", token))[0] == 401
        tokens["echo"] = "later"
        assert (await desk.ask("GET", "/admin/services", "later"))[0] == 200
