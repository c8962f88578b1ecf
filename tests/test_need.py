"""What CI skips, nobody tests: a missing program or package is a failure there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

A_TEST = """
import pytest
from fixtures import need

@need.tool("no-such-program")
def test_marked():
    raise AssertionError("ran")

def test_inside():
    need.path_of("no-such-program")

def test_module():
    need.module("no_such_module")

def test_there():
    assert need.path_of("sh") and need.module("json")
"""


@pytest.mark.parametrize(
    ("ci", "outcome"), [("", "1 passed, 3 skipped"), ("true", "3 failed, 1 passed")]
)
def test_skipped_here_and_failed_in_ci(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ci: str, outcome: str
) -> None:
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {TESTS}\n")
    (tmp_path / "test_it.py").write_text(A_TEST)
    monkeypatch.setenv("CI", ci)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in done.stdout


def test_no_test_has_a_way_of_its_own() -> None:
    """`need` alone asks whether a program or a package is there."""
    own = re.compile(r"importorskip|skipif\([^)]*(which|find_spec)|environ[^\n]*[\"']CI[\"']")
    allowed = {TESTS / "fixtures" / "need.py", Path(__file__)}
    found = [
        str(path.relative_to(TESTS))
        for path in TESTS.rglob("*.py")
        if path not in allowed and own.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []
