"""The tests that docs/known-cases.md names are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "known-cases.md").read_text()
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", PAGE)))


@pytest.mark.parametrize(("path", "test"), NAMED, ids=[test or path for path, test in NAMED])
def test_a_named_test_is_there(path: str, test: str) -> None:
    text = (ROOT / "tests" / path).read_text()
    assert not test or re.search(rf"def {test}\b", text)


def test_every_row_names_one() -> None:
    rows = [
        line
        for line in PAGE.splitlines()
        if line.startswith("| ") and not line.startswith("| report")
    ]
    assert rows and all(".py" in each for each in rows)
