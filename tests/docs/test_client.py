"""docs/client.md tells the truth: its errors, settings and options are those of the client."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import eas_prediction
from eas_prediction import PooledTransport, PredictClient, PredictException, RetryPolicy
from eas_prediction._answer import failure_of

TEXT = (Path(__file__).parents[2] / "docs" / "client.md").read_text(encoding="utf-8")


def test_the_tree_has_every_error() -> None:
    drawn = re.findall(r"[├└]── (\w+)", TEXT)
    errors = {
        name
        for name in eas_prediction.__all__
        if isinstance(getattr(eas_prediction, name), type)
        and issubclass(getattr(eas_prediction, name), PredictException)
    }
    assert set(drawn) | {"PredictException"} == errors
    for name in drawn:
        assert getattr(eas_prediction, name).__doc__


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\b(set_\w+|add_\w+)\b", TEXT))))
def test_every_setting_exists(name: str) -> None:
    assert hasattr(PredictClient, name) or hasattr(eas_prediction.TFRequest, name)


@pytest.mark.parametrize("line", re.findall(r"RetryPolicy\(.*?\)(?=`|\))", TEXT))
def test_every_policy_is_one(line: str) -> None:
    assert isinstance(eval(line, {"RetryPolicy": RetryPolicy}), RetryPolicy)


@pytest.mark.parametrize(
    ("status", "name", "again"),
    [
        (int(status), name, again == "yes")
        for statuses, name, again in re.findall(
            r"^\| ((?:\d{3}|3xx|other 4xx)[^|]*) \| `(\w+)` \| (yes|no) \|$", TEXT, re.MULTILINE
        )
        for status in re.findall(r"\d{3}", statuses.replace("3xx", "302").replace("4xx", "404"))
    ],
)
def test_the_table_of_retries(status: int, name: str, again: bool) -> None:
    failure = failure_of(status, {}, b"")
    assert type(failure).__name__ == name
    assert RetryPolicy().covers(failure) is again


def test_defaults() -> None:
    client = PredictClient()
    assert f"| `set_timeout(ms)` | {client.timeout} |" in TEXT
    assert f"| `set_retry_count(n)` | {client.retry_count} |" in TEXT
    assert f"| `set_max_connection_count(n)` | {client.max_connection_count} |" in TEXT
    assert PooledTransport().max_connections == client.max_connection_count
