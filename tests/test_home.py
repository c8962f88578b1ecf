"""The data directory of users with and without a home."""

from __future__ import annotations

import os
import pwd
import tempfile
from pathlib import Path

import platformdirs
import pytest

from eas_processor.builds import interpreters
from eas_processor.errors import BuildError, HomeError
from eas_processor.home import have_temporary_directory, home, private_directory, user_home


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a uid that a container has picked: no HOME and no entry in the user database."""
    for name in ("HOME", "EAS_HOME", "XDG_DATA_HOME", "PYENV_ROOT"):
        monkeypatch.delenv(name, raising=False)

    def unknown(*_: object) -> None:
        raise KeyError("no such user")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(pwd, "getpwnam", unknown)


@pytest.mark.usefixtures("nobody")
def test_a_user_without_home_is_told_what_to_set() -> None:
    with pytest.raises(HomeError, match=f"uid {os.getuid()} has no entry .* set EAS_HOME"):
        private_directory("tokens")


@pytest.mark.usefixtures("nobody")
def test_a_tilde_without_home_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EAS_HOME", "~/eas")
    with pytest.raises(HomeError, match=r"EAS_HOME is '~/eas', and HOME is not set .* absolute"):
        home()


def test_a_tilde_of_an_unknown_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EAS_HOME", "~no-such-user/eas")
    with pytest.raises(HomeError, match="there is no user 'no-such-user'"):
        home()


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("name", ["EAS_HOME", "XDG_DATA_HOME"])
def test_a_user_without_home_can_say_where(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setenv(name, str(tmp_path))
    made = private_directory("tokens")
    assert made.is_dir() and made.is_relative_to(tmp_path)


def test_a_tilde_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("EAS_HOME", "~/eas")
    assert home() == tmp_path / "eas"


@pytest.mark.usefixtures("nobody")
def test_no_directory_named_tilde_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platformdirs, "user_data_path", lambda name: Path("~/.local/share") / name)
    with pytest.raises(HomeError, match="set EAS_HOME"):
        home()


@pytest.mark.usefixtures("nobody")
def test_pythons_are_looked_for_without_a_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EAS_HOME", str(tmp_path))
    assert user_home() is None
    assert all(each.is_absolute() for each in interpreters.pyenv_roots())
    with pytest.raises(BuildError, match="none was found"):
        interpreters.find_interpreter("made_up", ("2.9",))


def test_without_a_writable_temporary_directory_there_is_one_below_the_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EAS_HOME", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [os.environ["TMPDIR"]])
    have_temporary_directory()
    assert os.environ["TMPDIR"] == str(tmp_path / "tmp")
    assert tempfile.gettempdir() == str(tmp_path / "tmp")


def test_without_any_directory_for_temporary_files_the_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A read-only data directory beside a read-only root."""
    monkeypatch.setenv("EAS_HOME", str(tmp_path))
    monkeypatch.setenv("TMPDIR", "")
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/dev/null/none"])
    with pytest.raises(HomeError, match="set TMPDIR to a writable directory"):
        have_temporary_directory()


def test_a_temporary_directory_that_works_is_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    have_temporary_directory()
    assert os.environ["TMPDIR"] == str(tmp_path)
