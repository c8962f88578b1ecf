from __future__ import annotations

from types import SimpleNamespace

import pytest

from eas_processor.frontends.http import heads


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that the heads see, in a list of one."""
    now = [1795171500.9]
    monkeypatch.setattr(heads, "time", SimpleNamespace(time=lambda: now[0]))
    return now


def test_a_whole_head(clock: list[float]) -> None:
    assert heads.Heads().build(200, b"id", heads.BYTES, 3, keep_alive=True) == (
        b"HTTP/1.1 200 OK\r\n"
        b"Server: eas\r\n"
        b"Date: Fri, 20 Nov 2026 10:45:00 GMT\r\n"
        b"X-Request-Id: id\r\n"
        b"Content-Type: application/octet-stream\r\n"
        b"Content-Length: 3\r\n\r\n"
    )


def test_the_usual_answer_is_what_any_other_would_be(clock: list[float]) -> None:
    builder = heads.Heads()
    for number, body in ((0, b""), (255, b"abc")):
        head = builder.build(200, heads.request_id(number), heads.BYTES, len(body), keep_alive=True)
        assert builder.build_usual(number, b"", body) == head + body
        named = builder.build(200, b"mine", heads.BYTES, len(body), keep_alive=True)
        assert builder.build_usual(number, b"mine", body) == named + body
        clock[0] += 1


def test_the_date_follows_the_clock(clock: list[float]) -> None:
    builder = heads.Heads()
    first = builder.build(200, b"id", heads.TEXT, 0, keep_alive=True)
    clock[0] += 0.05
    assert builder.build(200, b"id", heads.TEXT, 0, keep_alive=True) == first
    clock[0] += 0.05
    assert b"10:45:01 GMT" in builder.build(200, b"id", heads.TEXT, 0, keep_alive=True)


@pytest.mark.parametrize(
    ("old", "keep_alive", "line"),
    [
        (False, True, None),
        (False, False, b"Connection: close"),
        (True, True, b"Connection: keep-alive"),
        (True, False, b"Connection: close"),
    ],
)
def test_connection(old: bool, keep_alive: bool, line: bytes | None) -> None:
    lines = (
        heads.Heads()
        .build(200, b"id", heads.TEXT, 0, keep_alive=keep_alive, old=old)
        .split(b"\r\n")
    )
    assert [each for each in lines if each.startswith(b"Connection")] == ([line] if line else [])


@pytest.mark.parametrize(
    ("status", "first"),
    [(408, b"408 Request Timeout"), (450, b"450 Queue Full"), (499, b"499 Unknown")],
)
def test_every_status_has_words(status: int, first: bytes) -> None:
    head = heads.Heads().build(status, b"id", heads.TEXT, 0, keep_alive=True)
    assert head.startswith(b"HTTP/1.1 " + first + b"\r\n")


def test_some_statuses_bring_a_header(clock: list[float]) -> None:
    builder = heads.Heads()
    assert b"\r\nRetry-After: 1\r\n" in builder.build(503, b"id", heads.TEXT, 0, keep_alive=True)
    assert b"\r\nRetry-After: 1\r\n" in builder.build(450, b"id", heads.TEXT, 0, keep_alive=False)
