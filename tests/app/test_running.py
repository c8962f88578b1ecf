from __future__ import annotations

import errno
import fcntl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from eas_processor.app.running import (
    Entries,
    find_address,
    running_engines,
    running_services,
)
from eas_processor.errors import HomeError

FIRST, SECOND = "http://127.0.0.1:1", "http://127.0.0.1:2"


@pytest.fixture(autouse=True)
def admin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EAS_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "admin"


def opened(address: str, *names: str) -> Entries:
    entries = Entries()
    for name in names:
        entries.add(name)
    entries.open(address)
    return entries


def test_services_are_found_while_they_run(admin: Path) -> None:
    with opened(FIRST, "a", "b") as entries:
        entries.add("c")
        assert running_services() == {"a": FIRST, "b": FIRST, "c": FIRST}
        entries.remove("b")
        assert running_services() == {"a": FIRST, "c": FIRST}
        assert find_address("a") == FIRST
    assert list(admin.iterdir()) == []


def test_nothing_is_told_before_there_is_an_address(admin: Path) -> None:
    with Entries() as entries:
        entries.add("a")
        assert list(admin.iterdir()) == []


def test_a_second_engine_does_not_take_over_the_first_ones_entry(
    admin: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(FIRST, "a") as first:
        with opened(SECOND, "a", "b") as second:
            second.retry()
            assert running_services() == {"a": FIRST, "b": SECOND}
            (warning,) = [each for each in caplog.records if each.levelname == "WARNING"]
            said = warning.getMessage()
            assert said.startswith("a: another engine") and f"({FIRST}/admin)" in said
            assert f"this one are at {SECOND}/admin (--admin-port), with the token in " in said
            assert said.endswith("/home/admin-token")
        assert running_services() == {"a": FIRST}
        with opened(SECOND, "a") as second:
            first.remove("a")
            second.retry()
            assert running_services() == {"a": SECOND}
    assert list(admin.iterdir()) == []


def test_the_entry_of_an_engine_that_was_killed_is_taken_over(admin: Path) -> None:
    program = (
        "import sys; from eas_processor.app.running import Entries\n"
        f"entries = Entries(); entries.add('a'); entries.open({FIRST!r})\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == b"ready\n"
        assert running_services() == {"a": FIRST}
        with opened(SECOND, "a") as entries:
            other.kill()
            other.wait()
            assert running_services() == {} and (admin / "a").exists()
            assert running_engines() == [SECOND]
            with pytest.raises(OSError, match="was killed"):
                find_address("a")
            entries.retry()
            assert running_services() == {"a": SECOND}


def test_who_reads_an_entry_is_not_another_engine(
    admin: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(SECOND) as entries:
        (admin / "a").write_text(FIRST)
        with (admin / "a").open() as reader:
            fcntl.flock(reader, fcntl.LOCK_SH)
            entries.add("a")
            assert [each for each in caplog.records if each.levelname == "WARNING"] == []
        entries.retry()
        assert running_services() == {"a": SECOND}


def test_a_file_that_is_removed_while_its_lock_is_taken(
    admin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock, removed = fcntl.flock, []

    def remove_first(descriptor: Any, operation: int) -> None:
        flock(descriptor, operation)
        if not removed:
            removed.append((admin / "a").unlink())

    with Entries() as entries:
        monkeypatch.setattr(fcntl, "flock", remove_first)
        entries.add("a")
        entries.open(FIRST)
        monkeypatch.setattr(fcntl, "flock", flock)
        assert removed and running_services() == {"a": FIRST}


def test_a_file_system_without_locks(admin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with opened(FIRST, "b") as first, opened(SECOND, "a"):
        assert running_engines() == [FIRST, SECOND]
        first.add("a")
        assert running_services() == {"a": FIRST, "b": FIRST}
    with opened(FIRST, "a") as first, opened(SECOND, "a"):
        first.remove("a")
        assert running_services() == {"a": SECOND}, "who comes last has it, and keeps it"
    assert list(admin.iterdir()) == []


def test_a_directory_that_cannot_be_written_is_said(
    admin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Entries() as entries:
        (admin / "a").mkdir()
        entries.add("a")
        with pytest.raises(HomeError, match="admin/a: Is a directory"):
            entries.open(FIRST)


def test_one_file_that_cannot_be_written_is_not_in_the_way_of_others(
    admin: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(FIRST) as entries:
        (admin / "a").mkdir()
        with pytest.raises(HomeError, match="admin/a: Is a directory"):
            entries.add("a")
        entries.add("b")
        entries.retry()
        entries.retry()
        assert running_services() == {"b": FIRST}
        (said,) = [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
        assert said.startswith("a: eascmd does not find it: ") and "Is a directory" in said
        (admin / "a").rmdir()
        entries.retry()
        assert running_services() == {"a": FIRST, "b": FIRST}


def test_engines_are_found_by_themselves(admin: Path) -> None:
    with opened(FIRST), opened(SECOND, "a"):
        assert running_engines() == [FIRST, SECOND]
    assert running_engines() == []


def test_what_killed_engines_have_left_is_removed(admin: Path) -> None:
    engines = admin.parent / "engines"
    with opened(FIRST):
        (engines / "killed").write_text(FIRST)
        with opened(SECOND):
            assert not (engines / "killed").exists()
            assert running_engines() == [FIRST, SECOND]
    assert list(engines.iterdir()) == []
