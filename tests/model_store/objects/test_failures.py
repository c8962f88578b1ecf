"""What stores answer when something is wrong, as they write it."""

from __future__ import annotations

from typing import Any

import pytest
from fixtures import need

from eas_processor.errors import ModelFetchError
from eas_processor.model_store.objects import Hints, copy, fetch_objects

pytestmark = [pytest.mark.medium, pytest.mark.usefixtures("no_settings")]


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, no_settings: None) -> None:
    need.module("obstore")
    monkeypatch.setattr(copy, "FIRST_PAUSE", 0)
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", "KEYID")
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", "KEYSECRET")


def refusal(server: Any) -> str:
    with pytest.raises(ModelFetchError) as caught:
        fetch_objects("oss://b/m/", Hints(server.url), progress=False, note=lambda line: None)
    said = str(caught.value)
    assert "KEYSECRET" not in said
    assert "KEYID" not in said
    assert "\n" not in said
    return said.removeprefix("oss://b/m/: ").replace(server.url, "URL")


@pytest.mark.parametrize(
    ("status", "code", "more", "message"),
    [
        (
            403,
            "AccessDenied",
            "<Endpoint>oss-cn-x.aliyuncs.com</Endpoint>",
            "the bucket is not at URL as the region us-east-1: it is in oss-cn-x.aliyuncs.com, set",
        ),
        (301, "PermanentRedirect", "", "the bucket is not at URL as the region us-east-1: set its"),
        (400, "AuthorizationHeaderMalformed", "<Region>eu-1</Region>", "the bucket is not at URL"),
        (403, "AccessDenied", "", "the credentials of the environment (OSS_ACCESS_KEY_ID) may not"),
        (403, "SecurityTokenExpired", "", "the session token of the environment (OSS_ACCESS_KEY_I"),
        (403, "RequestTimeTooSkewed", "", "the clock of this machine differs from that of URL (Re"),
        (403, "UserDisable", "", "URL refused the credentials of the environment (OSS_ACCESS_KEY_"),
        (404, "NoSuchBucket", "", "there is no bucket b at URL"),
        (405, "MethodNotAllowed", "", "URL answered 405 MethodNotAllowed"),
        (503, "SlowDown", "", "URL answered 503 SlowDown (5 tries)"),
    ],
)
def test_refusals(server: Any, status: int, code: str, more: str, message: str) -> None:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code>{more}</Error>".encode()
    server.answer = lambda path, headers: server.reply(body, status=status)
    assert refusal(server).startswith(message)
    assert len(server.seen) == (5 if status == 503 else 1)


def test_a_server_that_is_no_store(server: Any) -> None:
    server.answer = lambda path, headers: server.reply(b"welcome <")
    assert refusal(server).startswith("URL cannot be asked (")


def test_https_where_there_is_none(server: Any) -> None:
    server.url = server.url.replace("http", "https")
    assert refusal(server).startswith("no connection to URL")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("OSS_ACCESS_KEY_SECRET", "KEY\nSECRET", "the credentials of the environment (OSS_ACCESS_"),
        ("OSS_REGION", "Wo bin ich?", "the region is 'Wo bin ich?', expected one such as cn-shan"),
    ],
)
def test_settings_that_no_header_holds(
    server: Any, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    assert refusal(server).startswith(message)
    assert not server.seen
