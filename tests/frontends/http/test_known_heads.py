"""A head that came before is known again, and means the same; nothing else is taken for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from eas_processor.contracts.refusals import QueueFull
from eas_processor.frontends.http.connection import HttpConnection
from eas_processor.frontends.http.head import Head
from eas_processor.serving.tokens import Tokens

Post = Callable[..., bytes]


def taken(desk: Any, *requests: bytes, piece: int = 0) -> list[bytes]:
    for each in requests:
        desk.client.send(each, piece)
    return desk.admission.bodies


def test_the_second_of_two_equal_heads_is_known(desk: Any, post: Post) -> None:
    assert taken(desk, post(b"one"), post(b"two")) == [b"one", b"two"]
    assert desk.client.connection.known.last.data == post(b"two")[:-3]
    first, second = desk.admission.submitted
    assert first.number < second.number and first.id != second.id
    assert second.deadline >= first.deadline and second.size == 3
    desk.answer_all()
    assert [each.body for each in desk.client.responses] == [b"one", b"two"]


@pytest.mark.parametrize("piece", [1, 7, 90, 1000])
def test_known_heads_may_arrive_in_pieces(desk: Any, post: Post, piece: int) -> None:
    bodies = [b"%03d" % number * 30 for number in range(5)]
    assert taken(desk, *map(post, bodies), piece=piece) == bodies


def test_known_heads_may_be_pipelined(desk: Any, post: Post) -> None:
    stream = b"".join(post(b"%d" % number) for number in range(9))
    assert taken(desk, post(b"0"), stream) == [b"0", *(b"%d" % number for number in range(9))]


def test_a_body_that_looks_like_the_known_head_is_a_body(desk: Any, post: Post) -> None:
    head = post(b"x" * 200)[:-200]
    body = head + b"x" * (200 - len(head))
    assert taken(desk, post(b"x" * 200), post(body), piece=len(head)) == [b"x" * 200, body]


def test_another_head_is_parsed(desk: Any, post: Post, http: Callable[..., bytes]) -> None:
    taken(desk, post(b"one"), post(b"four"), http("GET", "/healthz"), post(b"six"))
    assert desk.admission.bodies == [b"one", b"four", b"six"]


def test_a_changed_token_is_looked_at(desk: Any, post: Post) -> None:
    taken(desk, post(b"one"))
    service, _ = desk.admission.submitted[0].route.service, desk.answer_all()
    service.tokens = Tokens("another")
    taken(desk, post(b"two"))
    assert [each.status for each in desk.client.responses] == [200, 401]


@pytest.mark.parametrize(("token", "name", "status"), [("wrong", "echo", 401), ("t", "no", 404)])
def test_a_head_that_was_refused_is_not_known_by_the_next_one(
    desk: Any, post: Post, token: str, name: str, status: int
) -> None:
    refused = post(b"1", token=token).replace(b"/echo", b"/" + name.encode())
    taken(desk, refused + post(b"22"), refused + post(b"22"), refused)
    assert desk.admission.bodies == [b"22", b"22"]
    desk.answer_all()
    statuses = [each.status for each in desk.client.responses]
    assert statuses == [status, 200, status, 200, status]


def test_limits_are_looked_at_each_time(desk: Any, post: Post) -> None:
    large = b"x" * 100_000
    taken(desk, post(large))
    desk.answer_all()
    desk.admission.busy = QueueFull("busy")
    taken(desk, post(large))
    assert [each.status for each in desk.client.responses] == [200, 450]


@pytest.mark.parametrize(
    "line",
    ["Expect: 100-continue", "Connection: close", "X-Request-Id: mine", "Content-Encoding: gzip"],
)
async def test_what_is_treated_in_its_own_way_is_not_known(
    desk: Any, post: Post, line: str
) -> None:
    desk.client.send(post(b"one", line))
    assert desk.client.connection.known.last is None


def parsed_heads(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return a list that gets the target of every head that is parsed from now on."""
    found: list[bytes] = []
    take = HttpConnection.take_head

    def note(self: HttpConnection, head: Head, *rest: Any) -> None:
        found.append(head.target)
        take(self, head, *rest)

    monkeypatch.setattr(HttpConnection, "take_head", note)
    return found


def to(post: Post, path: str, body: bytes) -> bytes:
    return post(body).replace(b"/echo ", f"/echo{path} ".encode())


@pytest.mark.parametrize("piece", [0, 50])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_few_heads_in_turn_are_parsed_once(
    desk: Any, post: Post, monkeypatch: pytest.MonkeyPatch, count: int, piece: int
) -> None:
    parsed = parsed_heads(monkeypatch)
    bodies = [b"%02d" % number for number in range(5 * count)]
    for number, body in enumerate(bodies):
        desk.client.send(to(post, f"/{number % count}", body), piece or 1000)
    assert desk.admission.bodies == bodies
    assert [each.head.path[-1:] for each in desk.admission.submitted] == [
        b"%d" % (number % count) for number in range(5 * count)
    ]
    # A head is remembered only if it came whole, which those in pieces of 50 bytes do not.
    assert len(parsed) == (count if not piece else 5 * count)


def test_of_many_heads_the_one_that_is_longest_ago_is_forgotten(
    desk: Any, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = parsed_heads(monkeypatch)
    for path in "1234" + "1" + "5" + "1345" + "2":
        desk.client.send(to(post, f"/{path}", b"x"))
    assert b"".join(each[-1:] for each in parsed) == b"123452"


def test_long_heads_are_remembered_up_to_a_limit_of_bytes(
    desk: Any, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = parsed_heads(monkeypatch)
    for path in "12" * 2 + "3" + "23" + "1":
        desk.client.send(to(post, f"/{path}", b"x").replace(b"Host: h", b"Host: " + b"h" * 3000))
    assert b"".join(each[-1:] for each in parsed) == b"1231"


def test_one_head_does_not_let_in_what_only_begins_like_another(desk: Any, post: Post) -> None:
    taken(desk, post(b"x" * 10), post(b"y" * 100), post(b"x" * 10), post(b"y" * 100))
    assert [len(each) for each in desk.admission.bodies] == [10, 100, 10, 100]


def test_server_timing_is_there_when_asked_for(desk: Any, post: Post) -> None:
    taken(desk, post(b"a", "X-Eas-Timing: 1"), post(b"b", "X-Eas-Timing: 1"), post(b"c"))
    for request in desk.admission.submitted:
        request.times = 0.001, 0.002, 0.003, 0.004
    desk.answer_all()
    *asked, not_asked = desk.client.responses
    for response in asked:
        assert (
            "queue;dur=1.000, decode;dur=2.000, run;dur=3.000, encode;dur=4.000"
            in (response.headers["server-timing"])
        )
    assert "server-timing" not in not_asked.headers
