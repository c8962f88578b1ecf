"""`eascmd` of a client-only install: each command works, or says which extra it needs."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from eas_processor.cli.extras import _EXTRAS, missing_sentence

pytestmark = pytest.mark.medium

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "tf" / "data"
PROGRAM = """
import sys
import tomllib
hidden = {hidden!r}
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hide())
from eas_processor.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
ALL = sorted({each for packages in _EXTRAS.values() for each in packages})


def eascmd(*words: str, hidden: list[str] = ALL) -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(hidden=hidden)
    command = [sys.executable, "-c", program, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("words", [["--help"], ["help"], ["--version"], ["ls"], ["create", "x"]])
def test_what_needs_no_package_works(words: list[str]) -> None:
    assert eascmd(*words).returncode == (0 if words[0] in ("--help", "help", "--version") else 2)


def test_predict_signature_and_warmup_file_work(url: str, tmp_path: Path) -> None:
    done = eascmd("predict", url, "-i", "x=[[1, 2.5]]", "--json")
    assert (done.returncode, done.stdout) == (0, '{"y": [[2.0, 5.0]]}\n'), done.stderr
    done = eascmd("signature", url)
    assert done.returncode == 0, done.stderr
    done = eascmd("warmup-file", url, "-i", "x=[[1, 2]]", "-o", str(tmp_path / "w.bin"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "w.bin").stat().st_size > 0


@pytest.mark.parametrize("name", ["tf1_saved_model", "tf1_frozen.pb"])
def test_inspect_works(name: str) -> None:
    done = eascmd("inspect", str(DATA / name))
    assert done.returncode == 0, done.stderr
    assert "images" in done.stdout


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["serve", "x.json"], "server"),
        (["serve", "x.json", "--peers", "a:1"], "server"),
        (["test", "x.json"], "server"),
        (["bench", "http://127.0.0.1:1/api/predict/x"], "server"),
        (["schema"], "server"),
        (["builds"], "server"),
        (["build", "tensorflow_cpu_1.15"], "server"),
        (["w"], "server"),
        (["reload", "x"], "server"),
        (["rollback", "x"], "server"),
        (["warmup-file", "x.json", "-i", "1", "-o", "w.bin"], "server"),
        (["run", str(DATA / "tf1_saved_model"), "-i", "images=[[1, 2, 3, 4]]"], "tensorflow"),
        (["predict", "grpc://127.0.0.1:1/m", "-i", "1"], "grpc"),
        (["completion", "zsh"], "completion"),
    ],
)
def test_any_other_says_which_extra_it_needs(words: list[str], extra: str) -> None:
    done = eascmd(*words)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"eascmd {words[0]} needs the package ")
    assert f"the extra `{extra}`" in line


def test_an_image_says_so_too(url: str, tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(b"\xff\xd8")
    done = eascmd("predict", url, "-i", f"@{tmp_path / 'cat.jpg'}")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_each_package_of_the_extras_is_known_here() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = project["optional-dependencies"]
    modules = {"grpcio": "grpc", "pillow": "PIL", "tensorflow-cpu": "tensorflow"}
    for extra, packages in _EXTRAS.items():
        names = [re.split("[<>=]", each)[0] for each in lists[extra]]
        assert {modules.get(each, each) for each in names} == set(packages)


def test_in_an_environment_of_uv_tool_it_names_that_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uv-receipt.toml").touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    error = ModuleNotFoundError(name="shtab")
    said = missing_sentence(error, "eascmd completion")
    assert "`uv tool install` again" in said and "completion]'" in said and "pip" not in said
