from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from eas_processor.model_store.free_space import FreeSpace, kept_free

GIB = 2**30


@pytest.mark.parametrize(
    ("total", "kept"),
    [(GIB, GIB // 10), (5 * GIB, GIB // 4), (100 * GIB, 2 * GIB), (10_000 * GIB, 4 * GIB)],
)
def test_how_much_is_kept(total: int, kept: int) -> None:
    assert kept_free(total) == kept


def disk(monkeypatch: pytest.MonkeyPatch, **facts: int) -> FreeSpace:
    known = {"f_frsize": 4096, "f_blocks": 5 * GIB // 4096, "f_files": 0, "f_favail": 0}
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(**{**known, **facts}))
    return FreeSpace(Path("/data"))


def test_what_is_kept_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = GIB // 4
    room = disk(monkeypatch, f_bavail=kept // 4096 + 2)
    assert room.lacks(8192) == ""
    assert room.lacks(8193) == (
        f"needs 8193 bytes, {kept + 8192} are free on the disk of /data, "
        f"of which {kept} are kept for logs and tokens"
    )
    assert disk(monkeypatch, f_bavail=0).lacks(0)


def test_files_run_out_too(monkeypatch: pytest.MonkeyPatch) -> None:
    free = {"f_bavail": GIB}
    assert disk(monkeypatch, **free, f_files=10**6, f_favail=1000).lacks(1) == ""
    lack = disk(monkeypatch, **free, f_files=10**6, f_favail=999).lacks(1)
    assert lack == "needs a file, only 999 more are possible on the disk of /data: delete files"
    assert disk(monkeypatch, **free, f_files=100, f_favail=10).lacks(1) == ""


def test_this_disk(tmp_path: Path) -> None:
    room = FreeSpace(tmp_path)
    assert room.lacks(1) == ""
    assert "needs" in room.lacks(2**62)
