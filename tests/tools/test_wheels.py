"""`make wheels`: the SDK alone holds nothing of the server, and works by itself."""

from __future__ import annotations

import ast
import email
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from eas_processor.builds.catalogue import ENTRIES

ROOT = Path(__file__).parents[2]
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
    needed = {each.split(">")[0].split("<")[0].strip() for each in client_requirements()}
    requirements = metadata.get_all("Requires-Dist")
    always = [each for each in requirements if "extra ==" not in each]
    assert {each.split(">")[0].split("<")[0].strip() for each in always} == needed
    assert metadata.get_all("Provides-Extra") == ["grpc"]


def client_requirements() -> list[str]:
    for node in ast.parse((ROOT / "setup.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CLIENT":
            return list(ast.literal_eval(node.value))
    raise AssertionError("setup.py has no CLIENT")


@pytest.mark.parametrize("python", PYTHONS, ids=lambda path: path.parents[1].name)
def test_it_works_alone(wheel: Path, python: Path) -> None:
    script = """
import sys
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


def test_the_root_installs_everything() -> None:
    command = [sys.executable, "-c", LIST]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found = done.stdout.split()
    assert {"eas_processor", "eas_processor.cli", "eas_prediction", "eas_wire"} <= {*found}
    assert "eascmd=eas_processor.cli.main:main" in found


# What `setup.py` hands to setuptools, without building anything.
LIST = """
import setuptools
setuptools.setup = lambda **given: print(
    *given["packages"], *given["entry_points"]["console_scripts"]
)
exec(compile(open("setup.py").read(), "setup.py", "exec"), {"__file__": "setup.py"})
"""
