from __future__ import annotations

import pytest

from eas_processor.contracts.shown import for_clients


@pytest.mark.parametrize(
    "reason, shown",
    [
        (
            "cannot load the model at /srv/models/v1: it is cut off",
            "cannot load the model at v1: it is cut off",
        ),
        ("no model in '/srv/my models/v1': it is empty", "no model in 'v1': it is empty"),
        ('File "/a/b/c.py", line 3', 'File "c.py", line 3'),
        ("error:/srv/a/b.py failed", "error:b.py failed"),
        (
            'the processor failed: KeyError: 1\nTraceback (most recent call last):\n  File "/a"',
            "the processor failed: KeyError: 1",
        ),
        ("3 rows/s of https://host/path/x, a / b and 1/2 of model/dense/w",) * 2,
        ("the model did not load and warm up within 300 s",) * 2,
    ],
)
def test_the_reason_of_a_failed_start_has_no_directories(reason: str, shown: str) -> None:
    assert for_clients(reason) == shown


def test_a_long_reason_takes_no_time() -> None:
    assert len(for_clients("'/" * 50_000)) <= 100_000
    assert len(for_clients("/a" * 50_000)) <= 100_000
