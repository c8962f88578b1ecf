"""What comes of a call, in the statuses of PAI-EAS, and how it is counted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fixtures.engine import http

from eas_processor.contracts.refusals import QueueFull
from eas_processor.frontends.eas.statuses import STATUSES
from eas_processor.link import codes

JSON_LINE = "Content-Type: application/json"


def counted(desk: Any) -> dict[int, int]:
    return dict(desk.admission.metrics.codes)


def test_every_code_has_a_status_but_that_of_a_processor() -> None:
    assert set(STATUSES) == set(codes.NAMES) - {codes.PROCESSOR}


@pytest.mark.parametrize("code", sorted(set(STATUSES) - {codes.OK}))
@pytest.mark.parametrize("line", [JSON_LINE, "X: y"])
def test_a_code_becomes_its_status_and_a_sentence(
    desk: Any, post: Any, code: int, line: str
) -> None:
    desk.client.send(post(b"x", line))
    desk.admission.submitted[0].answer(code, [b"it ", b"failed"])
    response = desk.client.response
    assert response.status == STATUSES[code]
    if line == JSON_LINE:
        assert json.loads(response.body)["error"] == "it failed"
    else:
        assert response.body == b"it failed"
    assert counted(desk) == {STATUSES[code]: 1}
    assert not desk.admission.watched


@pytest.mark.parametrize("line", [JSON_LINE, "X: y"])
@pytest.mark.parametrize("status", [200, 400, 418, 500])
def test_a_processor_has_its_own_status_and_body(
    desk: Any, post: Any, status: int, line: str
) -> None:
    desk.client.send(post(b"x", line))
    payload = codes.pack_status(status, b"its own words")
    desk.admission.submitted[0].answer(codes.PROCESSOR, [payload])
    assert desk.client.response[::2] == (status, b"its own words")
    assert desk.client.response.headers["content-type"].startswith("text/plain")
    assert counted(desk) == {status: 1}


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_request_without_a_body_goes_to_a_processor_that_does_not_describe_its_model(
    desk: Any, method: str
) -> None:
    desk.info.update(info_code=codes.UNIMPLEMENTED, info="this processor does not describe")
    desk.client.send(http(method, "/api/predict/echo", "Authorization: t"))
    desk.admission.submitted[0].answer(codes.OK, [b"of nothing"])
    assert desk.client.response[::2] == (200, b"of nothing")


def test_a_request_without_a_body_is_answered_by_the_engine_where_it_can(desk: Any) -> None:
    desk.client.send(http("POST", "/api/predict/echo", "Authorization: t"))
    assert not desk.admission.submitted
    assert json.loads(desk.client.response.body) == {"signature_name": "echo"}


@pytest.mark.parametrize("line", [JSON_LINE, "X-Eas-Timing: 1", "Connection: close", "X: y"])
@pytest.mark.parametrize("payload", [[b"answer"], [b"ans", b"wer"], [b"x" * 100_000], []])
def test_every_success_is_counted_and_gives_back_its_body(
    desk: Any, post: Any, line: str, payload: list[bytes]
) -> None:
    desk.client.send(post(b"body", line))
    assert desk.server.budget.free == desk.server.budget.limit - 4
    desk.admission.submitted[0].answer(codes.OK, payload)
    assert desk.client.response.body == b"".join(payload)
    expected = "json" if line == JSON_LINE else "octet-stream"
    assert desk.client.response.headers["content-type"] == f"application/{expected}"
    assert counted(desk) == {200: 1}
    assert desk.server.budget.free == desk.server.budget.limit
    assert not desk.admission.watched


def test_a_call_whose_client_leaves_is_counted_as_499(desk: Any, post: Any) -> None:
    desk.client.send(post(b"x") + post(b"y", token="wrong"))
    desk.client.leave()
    assert counted(desk) == {499: 1}
    assert len(desk.admission.withdrawn) == 1


def test_what_no_service_takes_is_counted_apart(desk: Any, post: Any) -> None:
    desk.client.send(post(b"x", token="wrong"))
    desk.admission.busy = QueueFull("busy")
    desk.client.send(post(b"x" * 100_000))
    assert counted(desk) == {}
    assert desk.server.refused == {401: 1, 450: 1}


def test_a_form_is_json_if_it_looks_like_it_each_time(desk: Any, post: Any) -> None:
    line = "Content-Type: application/x-www-form-urlencoded"
    for body in (b"{1}", b"\x12\x01\x02", b"{2}"):
        desk.client.send(post(body, line))
    assert [each.codec for each in desk.admission.submitted] == [1, 0, 1]
    desk.answer_all()
    types = [each.headers["content-type"].partition("/")[2] for each in desk.client.responses]
    assert types == ["json", "octet-stream", "json"]


def test_a_form_that_is_json_is_refused_in_json(desk: Any, post: Any) -> None:
    line = "Content-Type: application/x-www-form-urlencoded"
    desk.client.send(post(b"{1}", line) + post(b"x", line))
    for request in desk.admission.submitted:
        request.answer(3, [b"wrong"])
    as_json, as_text = desk.client.responses
    assert json.loads(as_json.body)["error"] == "wrong"
    assert as_text.body == b"wrong"
