from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from eas_processor.app.script import Script
from eas_processor.errors import StartError
from eas_processor.worker.python_file import ARGUMENTS


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EAS_HOME", str(tmp_path))
    monkeypatch.setenv("SOME_SECRET", "which a script knows")


def script(*arguments: str, **asked: str) -> Script:
    names = {"keepalive": "rpc.keepalive"}
    known = {names.get(name, name): value for name, value in asked.items()}
    return Script(Path("/srv/app.py"), Path(sys.executable), Path("/srv"), known, arguments)


def test_what_it_asks_for_is_what_it_gets() -> None:
    settings = script("-x", worker_threads="10", worker_processes="2", keepalive="9500").read()
    assert (settings.worker.threads, settings.instances, settings.keepalive) == (10, 2, 9.5)
    environment = settings.worker.environment
    assert json.loads(environment[ARGUMENTS]) == ["-x"]
    assert environment["SOME_SECRET"] and not settings.token


def test_what_it_does_not_ask_for_is_as_at_the_vendor() -> None:
    settings = script().read()
    assert (settings.worker.threads, settings.instances, settings.keepalive) == (5, 1, 5.0)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ("127.0.0.1", 8080)),
        ({"endpoint": "0.0.0.0:9000"}, ("0.0.0.0", 9000)),
        ({"endpoint": ":9000"}, ("0.0.0.0", 9000)),
        ({"endpoint": "9000"}, ("0.0.0.0", 9000)),
    ],
)
def test_where_it_listens(asked: dict[str, Any], expected: tuple[str, int]) -> None:
    assert script(**asked).endpoint() == expected


@pytest.mark.parametrize("endpoint", ["localhost", "0.0.0.0:", "0.0.0.0:66000"])
def test_an_endpoint_that_is_none_is_named(endpoint: str) -> None:
    with pytest.raises(StartError, match=f"app.py: endpoint: expected HOST:PORT, got '{endpoint}'"):
        script(endpoint=endpoint).endpoint()


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_a_number_that_is_none_is_named(value: str) -> None:
    with pytest.raises(
        StartError, match=f"worker_threads: expected a number above 0, got '{value}'"
    ):
        script(worker_threads=value).read()
