from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from eas_processor.builds.catalogue import find_entry
from eas_processor.builds.export import export
from eas_processor.builds.wheels import collect
from eas_processor.errors import BuildError
from eas_processor.link.content import PACKAGES

pytestmark = pytest.mark.medium


def test_writes_locks_code_and_how_to_start(tmp_path):
    entry = find_entry("tensorflow_cpu_1.15")
    output = tmp_path / "deep" / "out"
    export(entry, output)
    assert (output / "requirements.txt").read_bytes() == entry.lock.read_bytes()
    assert "setuptools==68.0.0" in (output / "build-requirements.txt").read_text()
    assert "tensorflow" not in (output / "build-requirements.txt").read_text()
    code = output / "code"
    assert all((code / name).is_dir() for name in PACKAGES)
    assert {path.name for path in code.iterdir()} == {"__main__.py", "eas_processor", "eas_wire"}
    readme = (output / "README.md").read_text()
    assert "python3.7 -m venv" in readme
    assert "eascmd build tensorflow_cpu_1.15 --use build\n" in readme
    assert not (output / "requirements-cuda.txt").exists()
    assert list(output.parent.iterdir()) == [output]


def test_with_cuda(tmp_path):
    entry = find_entry("tensorflow_gpu_2.7")
    export(entry, tmp_path / "out", with_cuda=True)
    cuda = tmp_path / "out" / "requirements-cuda.txt"
    assert cuda.read_bytes() == entry.cuda_lock.read_bytes()
    assert cuda.name in (tmp_path / "out" / "README.md").read_text()


def test_replaces_an_earlier_one_and_takes_an_empty_directory(tmp_path):
    output = tmp_path / "out"
    output.mkdir()
    export(find_entry("tensorflow_cpu_1.15"), output)
    export(find_entry("tensorflow_cpu_2.3"), output)
    assert "tensorflow_cpu_2.3" in (output / "README.md").read_text()
    assert list(tmp_path.iterdir()) == [output]


def test_an_earlier_one_stays_where_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    output = tmp_path / "out"
    export(find_entry("tensorflow_cpu_1.15"), output)
    rename = os.rename

    def fail(source, target):
        if source.name == "new":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(BuildError, match="out cannot be written: No space left on device"):
        export(find_entry("tensorflow_cpu_2.3"), output)
    assert "tensorflow_cpu_1.15" in (output / "README.md").read_text()
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize("what", ["file", "link", "foreign"])
def test_refuses_what_is_not_its_own(tmp_path, what):
    output = tmp_path / "out"
    if what == "file":
        output.write_text("mine")
    elif what == "link":
        output.symlink_to(tmp_path)
    else:
        output.mkdir()
        (output / "mine").touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(BuildError, match="--output"):
        export(find_entry("tensorflow_cpu_1.15"), output)
    assert sorted(tmp_path.rglob("*")) == before


def test_one_that_fails_leaves_the_earlier_one(tmp_path, monkeypatch):
    output = tmp_path / "out"
    export(find_entry("tensorflow_cpu_1.15"), output)

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("eas_processor.builds.export.write_worker_code", fail)
    with pytest.raises(BuildError, match="cannot be written: No space left on device"):
        export(find_entry("tensorflow_cpu_2.3"), output)
    assert "tensorflow_cpu_1.15" in (output / "README.md").read_text()
    assert list(tmp_path.iterdir()) == [output]


@pytest.fixture
def wheels(tmp_path):
    return tmp_path / "wheels"


def test_pip_makes_the_build_from_the_directory_and_its_wheels(tiny, tmp_path, wheels):
    assert collect(tiny, tiny.lock, wheels) == 2
    export(tiny, tmp_path / "out")
    target = tmp_path / "target"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
    command += ["--no-index", "--find-links", str(wheels), "--target", str(target)]
    command += ["--isolated", "-r", str(tmp_path / "out" / "requirements.txt")]
    subprocess.run(command, check=True, timeout=120)
    assert (target / "tiny.py").read_text() == "name = 'tiny'\n"


def test_what_is_there_is_not_downloaded_again(tiny, index, wheels):
    collect(tiny, tiny.lock, wheels)
    sent = list(index.sent)
    collect(tiny, tiny.lock, wheels)
    assert index.sent == sent
    damaged = wheels / "tiny-1.0-py3-none-any.whl"
    whole = damaged.read_bytes()
    damaged.write_bytes(b"half")
    collect(tiny, tiny.lock, wheels)
    assert damaged.read_bytes() == whole


def test_a_wheel_that_differs_from_the_lock_is_refused(tiny, index, wheels):
    name = "tiny-1.0-py3-none-any.whl"
    whole = index.files[name]

    original = index.answer

    def answer(request):
        if request.path.startswith("/files/") and request.path.endswith(name):
            index.files[name] = b"x" * len(whole)
        original(request)
        index.files[name] = whole

    index.answer = answer
    with pytest.raises(BuildError, match=r"is not what the lock names, and was refused"):
        collect(tiny, tiny.lock, wheels)
    assert not (wheels / name).exists()
    assert not list(wheels.glob(f".{name}*"))


def test_an_index_without_the_file(tiny, index, wheels):
    index.files["tiny-1.0-py3-none-any.whl"] += b"more"
    with pytest.raises(BuildError, match=r"no file with 1 of the 2 hashes of tiny\.txt"):
        collect(tiny, tiny.lock, wheels)
