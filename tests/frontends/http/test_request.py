"""What the head of a request asks for: JSON or not, an id, a coding; and what its answer says."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from eas_processor.contracts.refusals import NotReady
from eas_processor.link.frames import ARRAY_PROTO, EAS_JSON

Bytes = Callable[..., bytes]
JSON_TYPE = "Content-Type: application/json"


@pytest.mark.parametrize(
    ("body", "line", "kind"),
    [
        (b"{}", JSON_TYPE, EAS_JSON),
        (b"{}", "Content-Type: Application/JSON; charset=utf-8", EAS_JSON),
        (b"\x12\x01", JSON_TYPE, EAS_JSON),
        (b' {"inputs": 1}', "Content-Type: application/x-www-form-urlencoded", EAS_JSON),
        (b"\x12\x01", "Content-Type: application/x-www-form-urlencoded", ARRAY_PROTO),
        (b"{}", "Content-Type: application/octet-stream", ARRAY_PROTO),
        (b"{}", "Accept: application/json", ARRAY_PROTO),
    ],
)
def test_json_is_known_by_its_type(
    desk: Any, post: Bytes, body: bytes, line: str, kind: int
) -> None:
    desk.client.send(post(body, line))
    (request,) = desk.admission.submitted
    assert request.codec == kind
    request.answer(0, [b"answer"])
    expected = "application/json" if kind == EAS_JSON else "application/octet-stream"
    assert desk.client.response.headers["content-type"] == expected


@pytest.mark.parametrize(
    "line", [JSON_TYPE, "Accept: application/json", "Accept: text/html, application/json;q=0.9"]
)
def test_who_speaks_json_is_refused_in_json(desk: Any, post: Bytes, line: str) -> None:
    desk.client.send(post(b"{}", line, "X-Request-Id: my-id"))
    desk.admission.submitted[0].refuse(NotReady("nobody is ready"))
    assert desk.client.response.headers["content-type"] == "application/json"
    assert json.loads(desk.client.response.body) == {
        "error": "nobody is ready",
        "code": 503,
        "request_id": "my-id",
    }


def test_a_model_without_a_signature_is_refused_in_json_too(desk: Any, post: Bytes) -> None:
    desk.info.update(info_code=3, info="a frozen graph has no signature")
    desk.client.send(post(b"", "Accept: application/json"))
    assert desk.client.response.status == 400
    assert json.loads(desk.client.response.body)["error"] == "a frozen graph has no signature"


def test_others_are_refused_in_one_sentence(desk: Any, post: Bytes) -> None:
    desk.client.send(post(b"x", "Accept: */*"))
    desk.admission.submitted[0].refuse(NotReady("nobody is ready"))
    assert desk.client.response.body == b"nobody is ready"
    assert desk.client.response.headers["content-type"].startswith("text/plain")


def test_an_id_is_taken_over(desk: Any, post: Bytes) -> None:
    desk.client.send(post(b"x", "X-Request-Id: of-mine"))
    desk.answer_all()
    assert desk.client.response.headers["x-request-id"] == "of-mine"


@pytest.mark.parametrize("given", ["two words", "x" * 129, "caf\u00e9", ""])
def test_an_id_that_could_not_be_a_header_is_replaced(desk: Any, post: Bytes, given: str) -> None:
    desk.client.send(post(b"x", f"X-Request-Id: {given}") + post(b"y"))
    desk.answer_all()
    ids = [each.headers["x-request-id"] for each in desk.client.responses]
    assert len(set(ids)) == 2
    assert given not in ids


@pytest.mark.parametrize("piece", [0, 7])
def test_a_gzip_body_is_inflated(desk: Any, post: Bytes, piece: int) -> None:
    desk.client.send(post(gzip.compress(b"plain" * 100), "Content-Encoding: gzip"), piece)
    assert desk.admission.bodies == [b"plain" * 100]


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"not gzip", 400), (gzip.compress(b"x")[:-1], 400), (gzip.compress(bytes(5000)), 413)],
)
def test_a_gzip_body_that_cannot_be_taken(
    make_desk: Any, post: Bytes, body: bytes, status: int
) -> None:
    desk = make_desk(max_body=1000)
    desk.client.send(post(body, "Content-Encoding: gzip"))
    assert desk.client.response.status == status
    assert not desk.admission.submitted


def test_more_connections_than_the_limit_are_refused(make_desk: Any, post: Bytes) -> None:
    desk = make_desk(max_connections=2)
    desk.new_client().send(post(b"x"))
    third = desk.new_client()
    assert third.response.status == 503
    assert b"(limit 2, set by --max-connections)" in third.response.body
    third.leave()
    desk.client.leave()
    fourth = desk.new_client()
    fourth.send(post(b"y"))
    assert desk.admission.bodies == [b"x", b"y"]
