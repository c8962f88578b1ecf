"""`make wheels`: complete and reproducible archives; the SDK alone holds nothing of the server."""

from __future__ import annotations

import email
import json
import os
import runpy
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from fixtures import need

from eas_processor import __version__
from eas_processor.builds.catalogue import ENTRIES

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OWN_PACKAGES = sysconfig.get_path("purelib")
PYTHONS = [Path(sys.executable), *sorted(ROOT.glob(".venv-sdk-*/bin/python"))]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("dist")
    tool = ROOT / "tools" / "wheels.py"
    subprocess.run([sys.executable, str(tool), "--sdk", str(directory)], check=True)
    (made,) = directory.iterdir()
    return made


def test_it_holds_the_sdk_and_nothing_of_the_server(wheel: Path) -> None:
    assert wheel.name.startswith("eas_processor_sdk-")
    assert wheel.name.endswith("-py3-none-any.whl")
    names = zipfile.ZipFile(wheel).namelist()
    information = {name.split("/")[0] for name in names} - {"eas_prediction", "eas_wire"}
    assert information == {"-".join(wheel.stem.split("-")[:2]) + ".dist-info"}
    held = {name for name in names if ".dist-info/" not in name}
    packed = {
        str(path.relative_to(ROOT))
        for package in ("eas_prediction", "eas_wire")
        for path in (ROOT / package).rglob("*")
        if path.suffix in (".py", ".typed")
    }
    assert held == packed
    assert not [name for name in names if name.endswith("entry_points.txt")]


def test_it_needs_what_the_client_needs_and_python_37(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = (each for each in archive.namelist() if each.endswith("/METADATA"))
    metadata = email.message_from_bytes(archive.read(name))
    assert metadata["Requires-Python"] == ">=3.7"
    needed = {each.split(">")[0].split("<")[0].strip() for each in PROJECT["dependencies"]}
    requirements = metadata.get_all("Requires-Dist")
    always = [each for each in requirements if "extra ==" not in each]
    assert {each.split(">")[0].split("<")[0].strip() for each in always} == needed
    assert metadata.get_all("Provides-Extra") == ["grpc"]


@pytest.mark.parametrize("python", PYTHONS, ids=lambda path: path.parents[1].name)
def test_it_works_alone(wheel: Path, python: Path) -> None:
    script = """
import sys
import sysconfig
sys.path.insert(0, sys.argv[1])
import eas_prediction, eas_wire
assert eas_prediction.__file__.startswith(sys.argv[1]), eas_prediction.__file__
from eas_prediction import PredictClient, TFRequest
from eas_prediction.testing import FakeTransport, tf_answer
transport = FakeTransport(lambda sent: tf_answer({"y": [[0.5]]}))
request = TFRequest("s")
request.add_feed("x", [1], TFRequest.DT_FLOAT, [1.0])
assert request.request_data.signature_name == "s"
client = PredictClient("h", "svc", token="t", transport=transport)
print(client.predict(request).get_values("y"))
assert not [name for name in sys.modules if name.startswith("eas_processor")]
"""
    command = [str(python), "-I", "-c", script, str(wheel)]
    assert subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout == b"[0.5]\n"


def test_each_build_has_its_locked_requirements(tmp_path: Path) -> None:
    runpy.run_path(str(ROOT / "tools" / "wheels.py"))["write_builds"](tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(each.name for each in ENTRIES)
    for entry in ENTRIES:
        requirements = tmp_path / entry.name / "requirements.txt"
        assert requirements.read_bytes() == entry.lock.read_bytes()
        cuda = requirements.with_name("requirements-cuda.txt")
        assert cuda.exists() is (entry.cuda_lock is not None)


def build(tmp_path: Path, *, umask: int = 0o022, zone: str = "UTC") -> dict[str, bytes]:
    """Return the archives of the whole project, by name."""
    tool = ROOT / "tools" / "wheels.py"
    subprocess.run(
        [sys.executable, str(tool), str(tmp_path / "dist")],
        cwd=tmp_path,
        env=os.environ | {"TZ": zone, "SOURCE_DATE_EPOCH": "1700000000"},
        umask=umask,
        check=True,
    )
    return {
        path.name: path.read_bytes() for path in (tmp_path / "dist").iterdir() if path.is_file()
    }


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return build(tmp_path_factory.mktemp("first"))


def test_the_same_commit_gives_the_same_bytes(archives: dict[str, bytes], tmp_path: Path) -> None:
    again = build(tmp_path, umask=0o077, zone="Asia/Shanghai")
    assert again.keys() == archives.keys()
    assert [name for name in again if again[name] != archives[name]] == []


def test_the_wheel_holds_every_package_and_both_commands(
    archives: dict[str, bytes], tmp_path: Path
) -> None:
    wheel = one(archives, "eas_processor-*.whl", tmp_path)
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == {
        str(path.relative_to(ROOT))
        for package in ("eas_prediction", "eas_processor", "eas_wire")
        for path in (ROOT / package).rglob("*")
        if path.suffix in (".py", ".typed", ".txt")
    }
    points = read(wheel, "entry_points.txt")
    assert "eascmd = eas_processor.cli.main:main" in points
    assert "tensorflow_model_server = eas_processor.cli.model_server:main" in points
    metadata = email.message_from_string(read(wheel, "METADATA"))
    assert metadata["License"] == "Apache-2.0"
    assert metadata["Description-Content-Type"] == "text/markdown"


def test_the_source_archive_has_the_pages_and_the_examples(
    archives: dict[str, bytes], tmp_path: Path
) -> None:
    source = one(archives, "eas_processor-*.tar.gz", tmp_path)
    with tarfile.open(source) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    folders = ["docker", "docs", "examples", "proto", "*.md", "service.json.example"]
    listed = ["git", "ls-files", *folders, ":!:tests", ":!:tools", ":!:.*"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    tracked = {name for name in done.stdout.split() if not Path(name).name.startswith(".")}
    assert len(tracked) > 100
    assert sorted(tracked - held) == []
    assert [name for name in held if name.startswith("examples/digits/build")] == []


def test_the_source_archive_gives_the_same_wheel(
    archives: dict[str, bytes], tmp_path: Path
) -> None:
    source = one(archives, "eas_processor-*.tar.gz", tmp_path)
    subprocess.run(["tar", "-xzf", str(source), "-C", str(tmp_path)], check=True)
    (unpacked,) = (path for path in tmp_path.iterdir() if path.is_dir())
    command = [sys.executable, "-c", BUILD_WHEEL, str(tmp_path)]
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1700000000"}
    subprocess.run(command, cwd=unpacked, env=environment, check=True, stdout=subprocess.DEVNULL)
    (made,) = tmp_path.glob("eas_processor-*.whl")
    assert made.read_bytes() == archives[made.name]


@pytest.fixture(scope="module")
def installed(archives: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the commands of a clean environment with the wheel."""
    directory = tmp_path_factory.mktemp("clean")
    wheel = one(archives, "eas_processor-*.whl", directory)
    python = directory / "env" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory / "env"], check=True)
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*install, "--no-deps", "--no-index", str(wheel)], check=True)
    return python.parent


def outside(installed: Path, home: Path) -> dict[str, str]:
    """Return an environment in which the wheel's requirements come from this environment."""
    (packages,) = (installed.parent / "lib").glob("python*/site-packages")
    # The editable installation of this clone is a .pth file, which PYTHONPATH does not follow.
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{packages}:{OWN_PACKAGES}",
        "EAS_HOME": str(home),
    }


@pytest.mark.parametrize("command", ["eascmd", "tensorflow_model_server"])
def test_an_installed_command_tells_its_version(
    installed: Path, tmp_path: Path, command: str
) -> None:
    done = subprocess.run(
        [str(installed / command), "--version"],
        cwd=tmp_path,
        env=outside(installed, tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert __version__ in done.stdout


def test_an_installed_command_serves(installed: Path, tmp_path: Path) -> None:
    environment = outside(installed, tmp_path / "home")
    eascmd = [str(installed / "eascmd")]
    run: dict[str, Any] = {"cwd": tmp_path, "env": environment, "text": True}
    subprocess.run([*eascmd, "processor", "new", "doubler"], **run, check=True)
    serve = [*eascmd, "serve", "doubler/service.json", "--port", "0"]
    with subprocess.Popen(
        serve, **run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as service:
        try:
            lines = [json.loads(line) for line in take_until(service, '"event": "serving"')]
            token = Path(lines[-1]["token_file"]).read_text().strip()
            call = Request(lines[-1]["url"], b'{"instances": [1, 2]}', {"Authorization": token})
            call.add_header("Content-Type", "application/json")
            with urlopen(call, timeout=60) as answer:
                assert json.loads(answer.read()) == {"predictions": [2, 4]}
        finally:
            service.terminate()


def take_until(service: subprocess.Popen[str], text: str) -> Iterator[str]:
    """Yield what a service logs, up to the line that has a text."""
    assert service.stdout
    for line in service.stdout:
        yield line
        if text in line:
            return
    raise AssertionError(f"the service ended without {text}")


@pytest.mark.slow
def test_the_oldest_python_builds_it_too(tmp_path: Path) -> None:
    """The newest setuptools for Python 3.7 is several years older than that of this environment."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    base = next(iter(pyenv.glob("versions/3.7.*/bin/python")), None)
    if base is None:
        need.missing("needs a Python 3.7 of pyenv")
    runpy.run_path(str(ROOT / "tools" / "wheels.py"))["lay_out_everything"](tmp_path)
    subprocess.run([str(base), "-m", "venv", str(tmp_path / "env")], check=True)
    command = [str(tmp_path / "env" / "bin" / "python"), "-m", "pip", "wheel", "--quiet"]
    command += ["--no-deps", "--wheel-dir", str(tmp_path), str(tmp_path)]
    subprocess.run(command, check=True)
    assert list(tmp_path.glob(f"eas_processor-{__version__}-py3-none-any.whl"))


def one(archives: dict[str, bytes], pattern: str, directory: Path) -> Path:
    """Write the archive whose name fits the pattern into a directory; return its path."""
    (name,) = (each for each in archives if Path(each).match(pattern))
    path = directory / name
    path.write_bytes(archives[name])
    return path


def read(wheel: Path, name: str) -> str:
    """Return a file of the wheel's metadata."""
    archive = zipfile.ZipFile(wheel)
    (path,) = (each for each in archive.namelist() if each.endswith(f".dist-info/{name}"))
    return archive.read(path).decode()


BUILD_WHEEL = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
