from __future__ import annotations

import dataclasses
import errno
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from eas_processor.builds import installed, preflight, provision
from eas_processor.builds.installed import find_installed
from eas_processor.errors import BuildError, HomeError
from tests.builds.conftest import tiny_wheel

pytestmark = pytest.mark.medium

# What another process runs: NAME LOCK PYTHON POINT, where it kills itself at POINT.
PROGRAM = """
import os, sys
from pathlib import Path
from conftest import TinyEntry
from eas_processor.builds import installed, provision
name, lock, python, point = sys.argv[1:]
entry = TinyEntry(name, "1.0", (python,), 1, tiny_lock=Path(lock))
calls = []
run_uv = provision.run_uv
def counted(*arguments, **named):
    calls.append(1)
    if point == f"uv {len(calls)}":
        os.kill(os.getpid(), 9)
    run_uv(*arguments, **named)
provision.run_uv = counted
def die(*_, **__):
    os.kill(os.getpid(), 9)
provision.check_import = die if point == "import" else lambda *_: None
if point == "mark":
    installed.os.fsync = die
print(provision.provision(entry).directory)
"""
TINY = "tiny-1.0-py3-none-any.whl"


@pytest.fixture(autouse=True)
def no_import(monkeypatch):
    """There is no TensorFlow in these builds to import."""
    monkeypatch.setattr(provision, "check_import", lambda *_: None)


def start(entry, point="", cache=None, **variables):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), **variables}
    if cache is not None:
        environment["UV_CACHE_DIR"] = str(cache)
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, entry.name, str(entry.lock), entry.pythons[0], point],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def works(made):
    printed = subprocess.check_output(
        [str(made.python), "-sEc", "import tiny; print(tiny.name)"], text=True
    )
    return printed.strip() == "tiny"


def test_makes_it_once_and_then_finds_it(tiny, index, home):
    made = provision.provision(tiny)
    assert made.directory == home / "builds" / tiny.name
    assert works(made)
    sent = list(index.sent)
    assert provision.provision(tiny) == made
    assert index.sent == sent


@pytest.mark.parametrize("point", ["uv 1", "uv 2", "uv 3", "import", "mark"])
def test_a_build_that_was_killed_is_made_by_the_next_call(tiny, point, tmp_path):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    with start(tiny, point, TMPDIR=str(temporary)) as process:
        assert process.wait(60) == -9
    assert list(temporary.iterdir()) == []
    assert find_installed(tiny) is None
    made = provision.provision(tiny)
    assert works(made)
    assert not list(made.directory.glob("*.txt"))
    assert find_installed(tiny) == made


def test_a_build_that_was_killed_in_a_download_is_made_by_the_next_call(tiny, index):
    with start(tiny) as process:

        def kill(name):
            if name == TINY:
                process.kill()

        index.before_file = kill
        assert process.wait(60) == -9
    index.before_file = lambda name: None
    assert find_installed(tiny) is None
    assert works(provision.provision(tiny))


def test_two_at_once_make_it_once_and_the_second_says_so(tiny, index, tmp_path):
    asked, go_on = threading.Event(), threading.Event()

    def hold(name):
        if name == TINY:
            asked.set()
            go_on.wait(60)

    index.before_file = hold
    first = start(tiny, cache=tmp_path / "first")
    assert asked.wait(60)
    second = start(tiny, cache=tmp_path / "second")
    line = second.stderr.readline()
    go_on.set()
    outputs = [each.communicate(timeout=60)[0] for each in (first, second)]
    assert line == f"waiting for another process that makes {tiny.name}, to share its build\n"
    assert [first.returncode, second.returncode] == [0, 0]
    assert outputs[0] == outputs[1]
    assert index.sent.count(TINY) == 1


def test_what_was_made_from_another_lock_is_made_again(tiny):
    first = provision.provision(tiny)
    tiny.lock.write_text(f"# another\n{tiny.lock.read_text()}")
    assert find_installed(tiny) is None
    assert provision.provision(tiny).lock != first.lock


def test_a_download_with_another_hash_is_refused(tiny, index, tmp_path):
    index.files[TINY] = tiny_wheel(tmp_path, "tiny", "evil = True\n")
    with pytest.raises(BuildError, match=r"^tiny_cpu_1\.0 cannot be made: ") as error:
        provision.provision(tiny)
    assert "\n" not in str(error.value)
    assert "is not what the lock names, and was refused (expected sha256:" in str(error.value)
    assert find_installed(tiny) is None


def test_takes_the_packages_from_a_directory_alone(tiny, index, tmp_path, monkeypatch):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for name, data in index.files.items():
        (wheels / name).write_bytes(data)
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    assert works(provision.provision(tiny, wheels=wheels))
    assert index.sent == []


def test_a_directory_of_wheels_that_is_not_there(tiny, tmp_path):
    with pytest.raises(
        BuildError, match=r"none is not a directory, expected one with the packages"
    ):
        provision.provision(tiny, wheels=tmp_path / "none")


def test_a_disk_that_is_full(tiny, monkeypatch):
    usage = SimpleNamespace(total=9e9, used=9e9, free=5e5)
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(BuildError, match=r"takes about 1 MB, .* 0 MB free; free some space, or"):
        provision.provision(tiny)


def test_without_its_python(tiny):
    entry = dataclasses.replace(tiny, pythons=("3.99",))
    with pytest.raises(BuildError) as error:
        provision.provision(entry)
    for part in ("needs Python 3.99", "looked on PATH", "--fetch-python", "EAS_PYTHON_3_99=/path"):
        assert part in str(error.value)


def test_removes_it(tiny):
    made = provision.provision(tiny)
    assert provision.remove(tiny)
    assert not made.directory.exists()
    assert find_installed(tiny) is None
    assert not provision.remove(tiny)


def test_removes_what_is_half_made(tiny, home):
    directory = home / "builds" / tiny.name
    directory.mkdir(parents=True)
    (directory / "some").touch()
    assert provision.remove(tiny)
    assert not directory.exists()


def test_cuda_libraries_of_a_build_that_has_none(tiny):
    with pytest.raises(BuildError, match="no CUDA libraries as wheels, as it runs on the CPU"):
        provision.provision(tiny, with_cuda=True)


def test_one_whose_interpreter_has_gone_is_made_again(tiny):
    made = provision.provision(tiny)
    shutil.rmtree(made.directory / "bin")
    assert find_installed(tiny) is None
    assert works(provision.provision(tiny))


def test_a_mark_that_does_not_fit_on_the_disk_leaves_nothing(tiny, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(HomeError, match=rf"{tmp_path}/complete\.json: No space left on device"):
        installed.mark(tiny, tmp_path, "3.11.7", with_cuda=False)
    assert not list(tmp_path.glob("*complete*"))
