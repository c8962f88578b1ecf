from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest

from eas_processor.cli.announce import announce
from eas_processor.config import Token

ADDRESS = "http://127.0.0.1:8080"
URL = f"{ADDRESS}/api/predict/pets"
TOKEN = Token("secret", Path("/home/someone/token"))
SIGNATURE = json.dumps(
    {
        "signature_name": "find",
        "inputs": [{"name": "words", "shape": [-1], "type": "DT_STRING"}],
        "outputs": [{"name": "ids", "shape": [-1], "type": "DT_INT64"}],
    }
)


class Stream(io.StringIO):
    """A stream that is a terminal or not."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def printed(
    monkeypatch: pytest.MonkeyPatch,
    *,
    out: bool = False,
    err: bool = False,
    address: str = ADDRESS,
    token: Token = TOKEN,
    signature: str = SIGNATURE,
) -> tuple[str, str]:
    """Return what goes to stdout and to stderr where those are terminals."""
    streams = Stream(out), Stream(err)
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    announce(address, "pets", token, signature)
    return streams[0].getvalue(), streams[1].getvalue()


def test_on_a_pipe_a_start_is_one_json_object_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = printed(monkeypatch)
    assert err == "" and "secret" not in out
    (line,) = out.splitlines()
    event = json.loads(line)
    assert {"time", "level", "message", "event"} <= event.keys()
    assert event["event"] == "serving" and event["service"] == "pets"
    assert (event["url"], event["address"], event["listens_on"]) == (URL, ADDRESS, ADDRESS)
    assert event["token_file"] == str(TOKEN.path) and event["pid"] == os.getpid()
    assert event["curl"] == f'curl -H "Authorization: $(cat /home/someone/token)" {URL}'
    assert event["python"].startswith("from eas_prediction import PredictClient, TFRequest\n")
    compile(event["python"], "printed", "exec")


def test_a_public_service_without_a_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    event = json.loads(printed(monkeypatch, token=Token(""), signature="")[0])
    assert (event["token_file"], event["python"], event["curl"]) == (None, None, f"curl {URL}")


def test_what_listens_on_all_interfaces_has_both_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    event = json.loads(printed(monkeypatch, address="http://0.0.0.0:8080")[0])
    assert event["listens_on"] == "http://0.0.0.0:8080"
    assert "0.0.0.0" not in event["address"] + event["url"] + event["curl"] + event["python"]


@pytest.mark.parametrize("err", [False, True])
def test_on_a_terminal_it_is_text(monkeypatch: pytest.MonkeyPatch, err: bool) -> None:
    out, said = printed(monkeypatch, out=True, err=err)
    assert out.splitlines()[:2] == [f"Serving at: {URL}", "Token: secret"] and said == ""


def test_who_pipes_stdout_alone_has_json_there_and_text_on_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, err = printed(monkeypatch, err=True)
    assert json.loads(out)["url"] == URL
    assert err.splitlines()[:2] == [f"Serving at: {URL}", "Token: secret"]
