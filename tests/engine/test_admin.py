from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from eas_processor.engine import admin as module
from eas_processor.engine.admin import AdminServer
from eas_processor.errors import StartError, UpdateError


class FakeUpdates:
    """Notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    def describe(self) -> dict[str, Any]:
        return {"service": "echo", "instances": []}

    async def reload(self) -> dict[str, Any]:
        return await self._change("reload")

    async def rollback(self) -> dict[str, Any]:
        return await self._change("rollback")

    async def _change(self, what: str) -> dict[str, Any]:
        self.asked.append(what)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return {"outcome": "done", "version": 2}


class Desk:
    """A listening admin server, and a client of it."""

    def __init__(self) -> None:
        self.updates = FakeUpdates()
        self.server = AdminServer(self.updates, "secret")  # type: ignore[arg-type]
        self.port = 0

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
        assert status == 401 and list(answer) == ["error"] and "admin token" in answer["error"]
        assert "secret" not in answer["error"].replace("secret2", "")
        assert desk.updates.asked == []


@pytest.mark.parametrize(
    ("method", "target", "status", "says"),
    [
        ("GET", "/", 404, "/admin/instances, /admin/reload, /admin/rollback"),
        ("GET", "/admin/reload/", 404, "no such route"),
        ("POST", "/api/predict/echo", 404, "no such route"),
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
    [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"x" * module._MAX_HEAD + b"\r\n"],
)
async def test_what_is_no_request(raw: bytes) -> None:
    async with listening() as desk:
        assert answer_of(await desk.send(raw))[0] == 400


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
        writer.write(b"POST /admin/reload HTTP/1.1\r\nAuthorization: secret\r\n\r\n")
        await eventually_async(lambda: desk.updates.asked)
        writer.close()
        (task,) = desk.server.tasks
        desk.updates.gate.set()
        await task
        assert task.exception() is None


async def test_a_port_that_is_taken_is_said() -> None:
    async with listening() as desk:
        with pytest.raises(StartError, match="--admin-port"):
            await Desk().server.listen(desk.port)
