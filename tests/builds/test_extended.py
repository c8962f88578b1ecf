from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from eas_processor.builds import provision
from eas_processor.builds.catalogue import find_entry
from eas_processor.builds.extended import (
    Extended,
    _fits,
    extend,
    installed_extended,
    lock_python,
    make_lock,
)
from eas_processor.builds.installed import find_installed
from eas_processor.builds.locks import versions
from eas_processor.builds.wheels import collect
from eas_processor.errors import BuildError
from tests.builds.conftest import PYTHON, Index, TinyEntry, tiny_wheel

pytestmark = pytest.mark.medium


@pytest.fixture(autouse=True)
def no_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no TensorFlow in these builds to import."""
    monkeypatch.setattr(provision, "check_import", lambda *_: None)


def add(index: Index, directory: Path, name: str, requires: str = "") -> None:
    index.files[f"{name}-1.0-py3-none-any.whl"] = tiny_wheel(directory, name, requires=requires)


@pytest.fixture
def more(tiny: TinyEntry, index: Index, tmp_path: Path) -> Extended:
    """The build with the package `more`, which needs `needed` and the TensorFlow of that build."""
    add(index, tmp_path, "tensorflow")
    add(index, tmp_path, "needed", "tiny==1.0")
    add(index, tmp_path, "more", "needed\nRequires-Dist: tensorflow==1.0")
    entry = extend(tiny, ["more"])
    assert isinstance(entry, Extended)
    return entry


def imports(python: Path, *names: str) -> bool:
    command = [str(python), "-sEc", f"import {', '.join(names)}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_a_build_of_its_own_with_the_package_and_what_that_needs(
    more: Extended, tiny: TinyEntry, index: Index
) -> None:
    made = provision.provision(more)
    assert imports(made.python, "tiny", "more", "needed")
    assert not imports(made.python, "tensorflow")  # the base has one of its own
    assert find_installed(tiny) is None
    text = more.lock.read_text()
    assert text.startswith(tiny.lock.read_text())
    assert versions(more.lock) == {**versions(tiny.lock), "more": "1.0", "needed": "1.0"}
    assert lock_python(more) == PYTHON
    assert find_installed(more) == made
    # The versions are chosen once: by now they could not be.
    del index.files["tensorflow-1.0-py3-none-any.whl"]
    shutil.rmtree(made.directory)
    provision.provision(more)
    assert more.lock.read_text() == text
    # Another base has another lock.
    tiny.lock.write_text(f"# another\n{tiny.lock.read_text()}")
    assert find_installed(more) is None
    tiny.lock.write_text(tiny.lock.read_text().partition("\n")[2])
    assert find_installed(more) == made
    assert provision.remove(more)
    assert not more.lock.exists()


def test_a_machine_without_an_index(
    more: Extended, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = tmp_path / "wheels"
    with pytest.raises(BuildError, match=r"there is no tiny_cpu_1\.0\+more-\w+\.txt in it"):
        wheels.mkdir()
        provision.provision(more, wheels=wheels)
    assert collect(more, provision.lock_of(more), wheels) == 4
    monkeypatch.setenv("EAS_HOME", str(tmp_path / "other"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "other-cache"))
    index.files.clear()
    assert imports(provision.provision(more, wheels=wheels).python, "tiny", "more")


@pytest.mark.parametrize(
    ("package", "sentence"),
    [
        ("newer", "no wheels of newer for TensorFlow 1.0 on Python {} beside the packages of tiny"),
        ("conflicting", "no wheels of conflicting for TensorFlow 1.0 on Python {} beside the"),
        ("unknown", "no package unknown"),
    ],
)
def test_a_package_that_cannot_be_had(
    more: Extended, index: Index, tmp_path: Path, package: str, sentence: str
) -> None:
    add(index, tmp_path, "newer", "tensorflow>=2")
    add(index, tmp_path, "conflicting", "tiny>=2")
    with pytest.raises(BuildError) as caught:
        provision.provision(extend(more.base, [package]))
    said, python = str(caught.value), sys.version.split()[0]
    assert said.startswith(
        f"tiny_cpu_1.0+{package} cannot be made: the package index has {sentence.format(python)}"
    )
    assert "\n" not in said


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("tensorflow_cpu_1.15", "no version of tensorflow_addons is for TensorFlow 1.15.5"),
        ("tensorflow_gpu_2.21", "no version of tensorflow_addons is for TensorFlow 2.21.0"),
    ],
)
def test_a_package_that_declares_no_tensorflow(name: str, sentence: str, home: Path) -> None:
    with pytest.raises(BuildError) as caught:
        make_lock(extend(find_entry(name), ["tensorflow_addons"]), "3.7")  # type: ignore[arg-type]
    assert str(caught.value) == f"{name}+tensorflow_addons cannot be made: {sentence}"


def test_names() -> None:
    entry = find_entry("tensorflow_cpu_1.15+TensorFlow-Text+abc")
    assert entry.name == "tensorflow_cpu_1.15+abc+tensorflow_text"
    assert isinstance(entry, Extended)
    assert entry.base == find_entry("tensorflow_cpu_1.15")
    assert extend(entry, ["abc"]) == entry
    assert extend(entry.base, ["numpy"]) == entry.base
    gpu = find_entry("tensorflow_gpu_2.7+abc")
    assert gpu.cuda_lock == find_entry("tensorflow_gpu_2.7").cuda_lock is not None
    for name in ("abc==1", "../abc", ""):
        with pytest.raises(BuildError, match="expected the name of a package, such as"):
            find_entry(f"tensorflow_cpu_1.15+{name}")


def test_those_of_this_machine(more: Extended, home: Path) -> None:
    assert installed_extended() == []
    (home / "builds" / "nothing+more").mkdir(parents=True)
    (home / "builds" / "tensorflow_cpu_1.15+more").mkdir()
    assert installed_extended() == []


@pytest.mark.parametrize(
    ("file", "fits"),
    [
        ("a-1.0-cp39-cp39-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", True),
        ("a-1.0-cp36-abi3-manylinux1_x86_64.whl", True),
        ("a-1.0-py2.py3-none-any.whl", True),
        ("a-1.0-1-py3-none-manylinux2010_x86_64.whl", True),
        ("a-1.0-cp310-cp310-manylinux2014_x86_64.whl", False),
        ("a-1.0-cp310-abi3-manylinux2014_x86_64.whl", False),
        ("a-1.0-cp39-cp39-manylinux2014_aarch64.whl", False),
        ("a-1.0-cp39-cp39-musllinux_1_1_x86_64.whl", False),
        ("a-1.0-cp39-cp39-macosx_10_9_x86_64.whl", False),
        ("a-1.0-py2-none-any.whl", False),
    ],
)
def test_which_wheels_fit(file: str, fits: bool) -> None:
    assert _fits(file, 9) is fits
