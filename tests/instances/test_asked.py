from __future__ import annotations

from typing import Any

import pytest

from eas_processor.instances.asked import note_asked


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, ""),
        ({"endpoint": "0.0.0.0:8080", "rpc.keepalive": "60000"}, ""),
        ({"worker_threads": "77"}, "worker_threads=77 (has 2)"),
        (
            {"rpc.keepalive": "1234", "worker_processes": "8"},
            "worker_processes=8 (has 1), rpc.keepalive=1234 (has 60000)",
        ),
    ],
)
def test_what_differs_is_said_once(
    service: Any, caplog: pytest.LogCaptureFixture, asked: dict[str, str], said: str
) -> None:
    settings = service(keepalive=60.0)
    note_asked(settings, asked)
    note_asked(settings, asked)
    assert caplog.text.count("the processor's code asks for") == bool(said)
    assert said in caplog.text
