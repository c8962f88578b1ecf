from __future__ import annotations

import os
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from eas_processor.instances.directory import SOCKET, socket_directory


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory for temporary files, by a path short enough for sockets."""
    with tempfile.TemporaryDirectory() as directory:
        monkeypatch.setattr("tempfile.tempdir", directory)
        yield Path(directory)


def listener(directory: Path, *, age_s: float) -> socket.socket:
    """Listen where an engine of that age would."""
    directory.mkdir()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(str(directory / SOCKET))
    sock.listen()
    then = time.time() - age_s
    os.utime(directory / SOCKET, (then, then))
    return sock


def test_it_is_private_and_goes_in_the_end(temporary: Path) -> None:
    with socket_directory() as directory:
        assert directory.parent == temporary
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert not directory.exists()


def test_what_a_killed_engine_left_is_removed(temporary: Path) -> None:
    listener(temporary / "eas-killed", age_s=100).close()
    with socket_directory():
        assert not (temporary / "eas-killed").exists()


@pytest.mark.parametrize(("closed", "age_s"), [(False, 100), (True, 10)])
def test_a_living_and_a_starting_engine_keep_theirs(
    temporary: Path, closed: bool, age_s: float
) -> None:
    with listener(temporary / "eas-other", age_s=age_s) as sock:
        if closed:
            sock.close()
        with socket_directory():
            assert (temporary / "eas-other" / SOCKET).exists()


def test_one_that_is_too_busy_to_answer_lives(temporary: Path) -> None:
    path = temporary / "eas-busy" / SOCKET
    with listener(temporary / "eas-busy", age_s=100) as sock:
        sock.listen(0)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as waiting:
            waiting.connect(str(path))
            with socket_directory():
                assert path.exists()


def test_what_belongs_to_others_is_left_alone(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener(temporary / "eas-of-another", age_s=100).close()
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with socket_directory():
        assert (temporary / "eas-of-another" / SOCKET).exists()


def test_other_directories_are_left_alone(temporary: Path) -> None:
    (temporary / "eas-of-somebody").mkdir()
    with socket_directory():
        assert (temporary / "eas-of-somebody").exists()
