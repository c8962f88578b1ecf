from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from eas_processor.frontends.http import access_log

Bytes = Callable[..., bytes]


def test_every_answer_has_a_line_with_its_facts(
    make_desk: Any, http: Bytes, post: Bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    desk = make_desk(access_log=1.0)
    desk.client.send(post(b"secret-body", "X-Request-Id: mine", token="t"))
    desk.answer_all()
    desk.client.send(http("GET", "/api/predict/none?key=secret-query"))
    first, second = caplog.records
    assert first.getMessage() == "POST /api/predict/echo 200"
    assert second.getMessage() == "GET /api/predict/none 404"
    facts = first.facts  # type: ignore[attr-defined]
    assert (facts["request_id"], facts["bytes_in"], facts["bytes_out"]) == ("mine", 11, 11)
    assert facts["ms"] >= 0
    assert "secret" not in str([record.__dict__ for record in caplog.records])


def test_the_address_of_a_whole_url_is_not_logged(
    make_desk: Any, http: Bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    make_desk(access_log=1.0).client.send(http("GET", "http://user:secret@h/healthz"))
    assert caplog.records[0].getMessage() == "GET /healthz 200"


def test_a_share_is_a_share(
    make_desk: Any, post: Bytes, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    draws = iter([0.1, 0.9, 0.24, 0.25])
    monkeypatch.setattr(access_log.random, "random", lambda: next(draws))
    desk = make_desk(access_log=0.25)
    desk.client.send(post(b"x") * 4)
    desk.answer_all()
    assert len(caplog.records) == 2


def test_it_is_off_unless_asked_for(
    desk: Any, post: Bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    desk.client.send(post(b"x"))
    desk.answer_all()
    assert not caplog.records
