"""The Makefile names files that are there: a test that has moved must not be left out, or run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\b(?:tests|tools)/[\w/.]+", TEXT))))
def test_every_path_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_what_the_fast_tests_leave_out_exists() -> None:
    found = re.search(
        r"^SLOWER := \$\(addprefix --ignore=tests/,(.*?)\)$", TEXT, re.MULTILINE | re.DOTALL
    )
    assert found
    left_out = found[1].replace("\\", " ").split()
    assert len(left_out) > 30
    assert [each for each in left_out if not (ROOT / "tests" / each).exists()] == []
