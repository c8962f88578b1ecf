from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from eas_processor.model_store import content
from eas_processor.model_store.content import hash_of, hash_of_file


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    content._known.clear()
    yield
    content._known.clear()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read."""
    read: list[str] = []
    digest = content._digest

    def counted(path: Path, done: object) -> str:
        read.append(path.name)
        return digest(path, done)  # type: ignore[arg-type]

    monkeypatch.setattr(content, "_digest", counted)
    return read


def test_a_rewritten_file_with_the_old_size_and_time(tmp_path: Path) -> None:
    """What reproducible builds write: `mtime` is 0 each time."""
    file = tmp_path / "m"
    found = []
    for content_ in (b"one", b"two", b"one"):
        file.write_bytes(content_)
        os.utime(file, (0, 0))
        found.append(hash_of_file(file))
    assert found[0] == found[2] != found[1]
    assert len(found[0]) == 32


def test_a_file_is_read_once_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: list[str]
) -> None:
    monkeypatch.setattr(content, "_SETTLED_S", -1.0)
    file = tmp_path / "m"
    file.write_bytes(b"one")
    assert hash_of_file(file) == hash_of_file(file)
    assert reads == ["m"]
    os.utime(file, (0, 0))
    hash_of_file(file)
    assert reads == ["m", "m"]


def test_a_file_that_was_written_a_moment_ago_is_read_again(
    tmp_path: Path, reads: list[str]
) -> None:
    (tmp_path / "m").write_bytes(b"one")
    hash_of_file(tmp_path / "m")
    hash_of_file(tmp_path / "m")
    assert reads == ["m", "m"]


def test_a_directory_is_its_names_and_what_they_hold(tmp_path: Path) -> None:
    (tmp_path / "variables").mkdir()
    (tmp_path / "saved_model.pb").write_bytes(b"graph")
    (tmp_path / "variables" / "v").write_bytes(b"one")
    before = hash_of(tmp_path)
    os.utime(tmp_path / "saved_model.pb", (0, 0))
    (tmp_path / "variables" / "v").chmod(0o600)
    assert hash_of(tmp_path) == before
    (tmp_path / "variables" / "v").write_bytes(b"two")
    os.utime(tmp_path / "variables" / "v", (0, 0))
    changed = hash_of(tmp_path)
    assert changed != before
    (tmp_path / "variables" / "v").rename(tmp_path / "variables" / "w")
    assert hash_of(tmp_path) != changed


def test_a_directory_too_large_to_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: list[str]
) -> None:
    monkeypatch.setattr(content, "MOST_READ", 3)
    (tmp_path / "m").write_bytes(b"1234")
    before = hash_of(tmp_path)
    assert hash_of(tmp_path) == before
    (tmp_path / "m").write_bytes(b"4321")
    assert hash_of(tmp_path) != before
    assert reads == []


def test_links_are_followed_into_each_directory_once(tmp_path: Path) -> None:
    (tmp_path / "v1").mkdir()
    (tmp_path / "v2").mkdir()
    (tmp_path / "v1" / "m").write_bytes(b"one")
    (tmp_path / "v2" / "m").write_bytes(b"two")
    model = tmp_path / "model"
    model.mkdir()
    (model / "loop").symlink_to(".")
    (model / "variables").symlink_to("../v1")
    before = hash_of(model)
    (model / "variables").unlink()
    (model / "variables").symlink_to("../v2")
    assert hash_of(model) != before


@pytest.mark.timeout(60)
def test_a_pipe_in_a_model_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert hash_of(tmp_path) == hash_of(tmp_path)
    assert hash_of(tmp_path / "pipe") == hash_of(tmp_path / "gone")
