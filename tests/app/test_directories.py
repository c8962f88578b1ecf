from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from eas_processor.app.directories import Directories, service_files


def names(paths: list[Path]) -> list[str]:
    return [each.name for each in paths]


def test_which_files_are_service_files(tmp_path: Path) -> None:
    for name in ("b.json", "a.json", ".hidden.json", "a.json~", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "directory.json").mkdir()
    (tmp_path / "link.json").symlink_to("a.json")
    assert names(service_files(tmp_path)) == ["a.json", "b.json", "link.json"]


def test_files_come_and_go(tmp_path: Path) -> None:
    (tmp_path / "a.json").touch()
    directories = Directories([tmp_path])
    assert directories.look() == ([tmp_path / "a.json"], [])
    (tmp_path / "b.json").touch()
    assert directories.look() == ([tmp_path / "b.json"], [])
    assert directories.look() == ([], [])
    (tmp_path / "a.json").unlink()
    directories.look()
    assert directories.look() == ([], [tmp_path / "a.json"])
    assert directories.look() == ([], [])


def test_a_file_that_is_replaced_has_not_gone(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.touch()
    directories = Directories([tmp_path])
    directories.look()
    for _ in range(3):
        file.unlink()
        assert directories.look() == ([], [])
        file.touch()
        assert directories.look() == ([], [])


def test_a_directory_that_cannot_be_read_keeps_its_files(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lost, kept = tmp_path / "lost", tmp_path / "kept"
    for each in (lost, kept):
        each.mkdir()
        (each / "a.json").touch()
    directories = Directories([lost, kept])
    directories.look()
    shutil.move(lost, tmp_path / "elsewhere")
    (kept / "a.json").unlink()
    assert [directories.look() for _ in range(3)] == [
        ([], []),
        ([], [kept / "a.json"]),
        ([], []),
    ]
    assert len(caplog.messages) == 1 and "No such file" in caplog.messages[0]
    shutil.move(tmp_path / "elsewhere", lost)
    assert directories.look() == ([], [])
