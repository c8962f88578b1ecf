from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from eas_processor.builds.catalogue import ENTRIES, Entry
from eas_processor.builds.locks import build_tools, content_hash, read_hashes, read_pins, versions
from eas_processor.builds.uv import uv
from eas_processor.builds.wheels import locate

pytestmark = pytest.mark.medium

# The index is asked about the oldest and the newest build, or about all: seconds for each.
ASKED = ENTRIES if os.environ.get("EAS_TEST_LOCKS") == "all" else (ENTRIES[0], ENTRIES[-1])
LOCKS = [lock for entry in ENTRIES for lock in (entry.lock, entry.cuda_lock) if lock is not None]
ASKED_LOCKS = [
    (lock, python)
    for entry in ASKED
    for lock in (entry.lock, entry.cuda_lock)
    if lock is not None
    for python in (entry.pythons[0], entry.pythons[-1])[: len(entry.pythons)]
]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_each_line_is_an_exact_version_with_hashes(lock: Path) -> None:
    text = re.sub(r"^#.*\n", "", lock.read_text(), flags=re.MULTILINE)
    block = r"[\w.-]+==[\w.+!-]+(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n"
    assert re.fullmatch(f"(?:{block})+", text)
    assert len(versions(lock)) == len(read_pins(lock)) <= len(read_hashes(lock))


def resolve(lock: Path, python: str, target: Path) -> subprocess.CompletedProcess[str]:
    """Ask the index for a file that fits each line; nothing is downloaded or installed."""
    command = [uv(), "pip", "install", "--dry-run", "--require-hashes", "--no-deps", "--no-config"]
    command += ["--python", sys.executable, "--python-version", python, "--target", str(target)]
    command += ["--python-platform", "x86_64-manylinux_2_28", "-r", str(lock)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lock", "python"), ASKED_LOCKS, ids=lambda value: getattr(value, "stem", value)
)
def test_each_lock_resolves(lock: Path, python: str, tmp_path: Path) -> None:
    done = resolve(lock, python, tmp_path / "target")
    assert done.returncode == 0, done.stderr
    assert f"Would install {len(read_pins(lock))} packages" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("entry", ASKED, ids=lambda entry: entry.name)
def test_the_index_has_a_file_for_each_hash(entry: Entry) -> None:
    # The dry run above does not look at hashes.
    for lock in (entry.lock, entry.cuda_lock):
        if lock is not None:
            assert read_hashes(lock) <= {digest for _, digest in locate(entry, lock)}


def test_build_tools_are_a_part_of_the_lock() -> None:
    for entry in ENTRIES:
        tools = build_tools(entry.lock)
        assert set(re.findall(r"^[\w-]+", tools, re.MULTILINE)) == {"setuptools", "wheel"}
        for block in tools.strip().split("\n"):
            assert block in entry.lock.read_text()


def test_the_content_hash_tells_builds_apart() -> None:
    hashes = [content_hash(entry, with_cuda=cuda) for entry in ENTRIES for cuda in (False, True)]
    with_cuda = sum(entry.cuda_wheels for entry in ENTRIES)
    assert len(set(hashes)) == len(ENTRIES) + with_cuda
