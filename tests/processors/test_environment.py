from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from eas_processor.errors import BuildError
from eas_processor.processors.environment import environment_python

pytestmark = pytest.mark.medium

OWN = Path(sys.executable)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EAS_HOME", str(tmp_path / "home"))


@pytest.fixture
def processor(tmp_path: Path) -> Path:
    """A processor that brings a package of its own as a wheel."""
    directory = tmp_path / "ocr"
    directory.mkdir()
    write_wheel(directory, "1.0")
    (directory / "requirements.txt").write_text("./tesser-1.0-py3-none-any.whl\n")
    return directory


def write_wheel(directory: Path, version: str) -> None:
    about = f"tesser-{version}.dist-info"
    with zipfile.ZipFile(directory / f"tesser-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tesser.py", f"VERSION = {version!r}\n")
        wheel.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: tesser\nVersion: {version}"
        )
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any"
        )
        wheel.writestr(f"{about}/RECORD", "")


def version_in(python: Path) -> str:
    # A worker itself needs numpy, whether it is asked for or not.
    command = [str(python), "-c", "import numpy, tesser; print(tesser.VERSION)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_an_environment_is_made_once(processor: Path) -> None:
    python = environment_python(processor / "requirements.txt", "", OWN)
    assert version_in(python) == "1.0"
    made = python.lstat().st_mtime_ns
    assert environment_python(processor / "requirements.txt", "", OWN) == python
    assert python.lstat().st_mtime_ns == made


def test_one_that_was_cut_off_is_made_again_with_the_same_versions(processor: Path) -> None:
    python = environment_python(processor / "requirements.txt", "", OWN)
    directory = python.parents[2]
    (directory / "complete").unlink()
    (directory / "env" / "pyvenv.cfg").unlink()
    before = (directory / "requirements.lock").read_bytes()
    assert environment_python(processor / "requirements.txt", "", OWN) == python
    assert version_in(python) == "1.0"
    assert (directory / "requirements.lock").read_bytes() == before


def test_other_requirements_are_another_environment(processor: Path) -> None:
    first = environment_python(processor / "requirements.txt", "", OWN)
    write_wheel(processor, "2.0")
    (processor / "requirements.txt").write_text("./tesser-2.0-py3-none-any.whl\n")
    second = environment_python(processor / "requirements.txt", "", OWN)
    assert (version_in(first), version_in(second)) == ("1.0", "2.0")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("./tesser-3.0-py3-none-any.whl", "requirements.txt cannot be met: "),
        ("tesser===", "requirements.txt cannot be met: "),
        ("no-such-package-anywhere==1", "no-such-package-anywhere"),
    ],
)
def test_what_cannot_be_met_is_refused_in_one_line(
    processor: Path, asked: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    (processor / "requirements.txt").write_text(f"{asked}\n")
    with pytest.raises(BuildError) as caught:
        environment_python(processor / "requirements.txt", "", OWN)
    assert said in str(caught.value) and "\n" not in str(caught.value)
