from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from eas_processor.builds import adopt as module
from eas_processor.builds import provision
from eas_processor.builds.adopt import adopt
from eas_processor.builds.installed import find_installed
from eas_processor.errors import BuildError
from tests.builds.conftest import PYTHON, TinyEntry

LINES: list[str] = []


@pytest.fixture(autouse=True)
def checked(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The interpreters that were tested; there is no TensorFlow in these environments."""
    found: list[Path] = []

    def check(entry: TinyEntry, python: Path, lock: Path, *_: object) -> None:
        assert lock == entry.lock
        found.append(python)

    monkeypatch.setattr(module, "check", check)
    return found


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An empty virtual environment of this Python."""
    directory = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(directory)], check=True)
    return directory


def use(entry: TinyEntry, environment: Path) -> object:
    return adopt(entry, environment, LINES.append, with_cuda=False)


def test_the_environment_is_the_build_and_stays_where_it_is(
    tiny: TinyEntry, environment: Path, checked: list[Path], home: Path
) -> None:
    made = use(tiny, environment)
    found = find_installed(tiny)
    assert found == made is not None
    assert found.directory == home / "builds" / tiny.name
    assert checked == [environment / "bin" / "python"]
    asked = "import sys; print(*[each for each in sys.path if each.endswith('site-packages')])"
    printed = subprocess.check_output([str(found.python), "-sEc", asked], text=True)
    assert os.path.realpath(printed.strip()) == os.path.realpath(
        environment / "lib" / f"python{PYTHON}" / "site-packages"
    )
    assert provision.remove(tiny)
    assert find_installed(tiny) is None
    assert (environment / "bin" / "python").exists()


def test_one_that_goes_is_no_build_any_more(tiny: TinyEntry, environment: Path) -> None:
    use(tiny, environment)
    shutil.rmtree(environment)
    assert find_installed(tiny) is None


def test_what_does_not_pass_is_not_taken(
    tiny: TinyEntry, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*words: object) -> None:
        raise BuildError(f"it lacks tiny; {words[-1]}")

    monkeypatch.setattr(module, "check", fail)
    with pytest.raises(
        BuildError, match=r"it lacks tiny; .*environment is not used; `eascmd build"
    ):
        use(tiny, environment)
    assert find_installed(tiny) is None


def test_what_is_no_environment(tiny: TinyEntry, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"empty is not a virtual environment: it has no .*python"):
        use(tiny, tmp_path / "empty")


def test_an_environment_of_another_python(tiny: TinyEntry, environment: Path) -> None:
    other = TinyEntry("tiny_cpu_1.0", "1.0", ("3.6",), 1, tiny_lock=tiny.lock)
    with pytest.raises(BuildError, match=r"tiny_cpu_1\.0 needs Python 3\.6, and .*python is 3\."):
        use(other, environment)


def test_the_build_itself(tiny: TinyEntry, environment: Path) -> None:
    made = use(tiny, environment)
    with pytest.raises(BuildError, match=r"is the directory of tiny_cpu_1\.0: give another one"):
        use(tiny, made.directory)  # type: ignore[attr-defined]
    assert find_installed(tiny) == made
