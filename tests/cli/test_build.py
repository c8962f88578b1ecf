from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from eas_processor.builds.catalogue import ENTRIES
from eas_processor.builds.installed import Installed
from eas_processor.cli import build
from eas_processor.cli.main import main

pytestmark = pytest.mark.medium

# Nothing but setuptools is installed.
HIDE = f"""
import runpy, sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {("rich", "msgspec", "numpy", "google", "platformdirs")}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Hide())
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data directory."""
    monkeypatch.setenv("EAS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["build", *words]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_the_catalogue_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["builds", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(rows) == [entry.name for entry in ENTRIES]
    row = rows["tensorflow_gpu_1.15"]
    facts = [row[key] for key in ("tensorflow", "python", "gpu", "cuda", "cudnn", "installed")]
    assert facts == ["1.15.5", ["3.7"], True, "10.0", "7", ""]


def test_setup_py_knows_the_same_builds() -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "setup.py", "--quiet", "processors"]
    printed = subprocess.check_output(command, cwd=root, text=True, stderr=subprocess.DEVNULL)
    for entry in ENTRIES:
        assert entry.name in printed


def test_setup_py_lists_them_in_a_bare_clone() -> None:
    """Nothing but setuptools is installed."""
    root = Path(__file__).parents[2]
    program = f"""{HIDE}
sys.argv[1:] = ["--quiet", "processors"]
runpy.run_path("setup.py", run_name="__main__")
"""
    printed = subprocess.check_output([sys.executable, "-c", program], cwd=root, text=True)
    assert [line.split()[0] for line in printed.splitlines()] == [each.name for each in ENTRIES]


def test_setup_py_makes_one_in_a_bare_clone(tmp_path: Path) -> None:
    """What is missing goes into an environment of its own, once, where `eascmd build` runs."""
    root = Path(__file__).parents[2]
    for name in ("setup.py", "pyproject.toml", "README.md", "eas_processor", "eas_prediction"):
        (tmp_path / name).symlink_to(root / name)
    (tmp_path / "build" / "eascmd").mkdir(parents=True)
    program = f"""{HIDE}
import pathlib, subprocess
subprocess.check_call = lambda command: print("made", *command[1:4])
subprocess.call = lambda command, env: print("ran", *command[1:], env["PYTHONPATH"]) or 7
sys.argv[1:] = ["--quiet", "processors", "--build=tensorflow_cpu_1.15"]
runpy.run_path("setup.py", run_name="__main__")
"""
    ran = f"ran -m eas_processor.cli build tensorflow_cpu_1.15 {tmp_path}"
    for made in (["made -m venv --clear", "made -m pip install"], []):
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout.splitlines()) == (7, [*made, ran]), done.stderr


def test_an_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    line = refusal(capsys, "tensorflow_cpu_1.16")
    assert "'tensorflow_cpu_1.16' is not known; did you mean tensorflow_cpu_1.1" in line


def test_no_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert "name a build, such as tensorflow_cpu_1.15, or give --all-cpu" in refusal(capsys)


def test_output_takes_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refusal(capsys, "--all-cpu", "--output", str(tmp_path / "out"))
    assert "--output takes one build at a time" in line
    assert not (tmp_path / "out").exists()


def test_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = []
    monkeypatch.setattr(build, "adopt", lambda entry, path, *_, **__: taken.append(entry.name))
    assert main(["build", "tensorflow_cpu_1.15", "--use", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"tensorflow_cpu_1.15: is {tmp_path} from now on\n"
    assert taken == ["tensorflow_cpu_1.15"]
    line = refusal(capsys, "--all-cpu", "--use", str(tmp_path))
    assert "--use takes one build at a time" in line


def test_output(tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out"
    assert main(["build", "tensorflow_cpu_1.15", "--output", str(output)]) == 0
    assert capsys.readouterr().out == f"tensorflow_cpu_1.15: written to {output}\n"
    assert (output / "code" / "__main__.py").is_file()
    assert not home.exists()


def test_output_with_cuda_where_there_are_no_such_wheels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["tensorflow_gpu_1.15", "--with-cuda", "--output", str(tmp_path / "out")]
    assert "no CUDA libraries as wheels" in refusal(capsys, *words)
    assert not (tmp_path / "out").exists()


def test_remove_what_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "tensorflow_cpu_1.15", "--remove"]) == 0
    assert capsys.readouterr().out == "tensorflow_cpu_1.15: is not installed\n"


def test_a_build_that_cannot_be_imported_here_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Installed(tmp_path, "3.6.15", "", with_cuda=False, size=1_000_000)
    monkeypatch.setattr(build, "provision", lambda *_, **__: made)
    monkeypatch.setattr(build, "lacks_linked_libraries", lambda *_: "it needs CUDA 9.0")
    assert main(["build", "tensorflow_gpu_1.12"]) == 0
    ready, why = capsys.readouterr().out.splitlines()
    assert ready.startswith("tensorflow_gpu_1.12: ready after")
    assert why == "tensorflow_gpu_1.12: cannot be imported here: it needs CUDA 9.0"


def test_more_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Installed(tmp_path, "3.7.16", "", with_cuda=False, size=1_000_000)
    monkeypatch.setattr(build, "provision", lambda *_, **__: made)
    words = ["build", "tensorflow_cpu_1.15", "--with", "tensorflow-text", "--with", "abc"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert said.startswith("tensorflow_cpu_1.15+abc+tensorflow_text: ready after")
    line = refusal(capsys, "tensorflow_cpu_1.15", "--with", "abc==1.0")
    assert "expected the name of a package, such as tensorflow_text, got 'abc==1.0'" in line
