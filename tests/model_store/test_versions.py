from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from eas_processor.model_store.versions import keep_version

_KEEP = """
import sys
from pathlib import Path
from eas_processor.model_store.versions import keep_version
keep_version(Path(sys.argv[1]), lambda draft: sys.argv[2])
print("kept", flush=True)
sys.stdin.read()
"""


def names(versions: Path) -> list[str]:
    return sorted(each.name for each in versions.iterdir() if each.is_dir())


def test_a_version_is_made_once(tmp_path: Path) -> None:
    def make(draft: Path) -> str:
        (draft / "file").write_text(str(len(names(tmp_path))))
        return "a"

    first = keep_version(tmp_path, make)
    assert (first / "file").read_text() == "1"
    assert keep_version(tmp_path, make) == first
    assert (first / "file").read_text() == "1"
    assert names(tmp_path) == ["a"]


def test_what_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def make(draft: Path) -> str:
        (draft / "file").touch()
        raise ValueError

    with pytest.raises(ValueError):
        keep_version(tmp_path, make)
    assert names(tmp_path) == []


def test_versions_that_no_process_needs_are_removed(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", _KEEP, str(tmp_path), "other"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with other:
        assert other.stdout is not None and other.stdin is not None
        assert other.stdout.readline() == b"kept\n"
        keep_version(tmp_path, lambda draft: "own")
        assert names(tmp_path) == ["other", "own"]
    keep_version(tmp_path, lambda draft: "newer")
    assert names(tmp_path) == ["newer", "own"]
