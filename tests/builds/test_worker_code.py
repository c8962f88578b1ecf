import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import eas_processor
from eas_processor.builds import worker_code
from eas_processor.builds.worker_code import worker_code_directory
from eas_processor.errors import HomeError
from eas_processor.link.content import PACKAGES

ROOT = Path(eas_processor.__file__).parents[1]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty data directory."""
    directory = tmp_path / "home"
    monkeypatch.setenv("EAS_HOME", str(directory))
    return directory


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of our own in place of the real one."""
    root = tmp_path / "package"
    for name in PACKAGES:
        (root / name).mkdir(parents=True)
        (root / name / "__init__.py").write_text(f"# {name}\n")
    directory = root / "eas_processor"
    (directory / "__init__.py").touch()
    (directory / "worker" / "start.py").write_text("print('started')\n")
    monkeypatch.setattr(worker_code, "_ROOT", root)
    return directory


def content(directory):
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_holds_what_workers_run_and_nothing_else(home):
    directory = worker_code_directory()
    assert directory.parent == home / "worker-code"
    wanted = {
        str(path.relative_to(ROOT)): path.read_bytes()
        for name in PACKAGES
        for path in (ROOT / name).rglob("*.py")
    }
    wanted["eas_processor/__init__.py"] = (ROOT / "eas_processor" / "__init__.py").read_bytes()
    wanted["__main__.py"] = (ROOT / "eas_processor" / "worker" / "start.py").read_bytes()
    assert content(directory) == wanted


def test_runs_as_a_program(package):
    command = [sys.executable, "-sE", str(worker_code_directory())]
    assert subprocess.check_output(command, timeout=60) == b"started\n"


def test_its_rooms_come_before_what_is_installed():
    directory = worker_code_directory()
    (directory / "__main__.py").write_text("import eas_processor as it; print(it.__file__)")
    printed = subprocess.check_output(
        [sys.executable, "-sE", str(directory)], cwd=ROOT, text=True, timeout=60
    )
    assert Path(printed.strip()).parent.parent == directory


def test_the_same_content_is_the_same_directory(package):
    first = worker_code_directory()
    marked = first / "mark"
    marked.touch()
    assert worker_code_directory() == first
    assert marked.exists()


@pytest.mark.parametrize("change", ["edit", "add", "rename"])
def test_other_content_is_another_directory(package, change):
    before = worker_code_directory()
    path = package / "tf" / "__init__.py"
    if change == "edit":
        path.write_text("# edited\n")
    elif change == "add":
        (package / "link" / "more.py").touch()
    else:
        path.rename(package / "tf" / "other.py")
    after = worker_code_directory()
    assert after != before
    assert before.is_dir()


def test_those_who_ask_at_the_same_time_get_the_same_whole_directory(home, package):
    with ThreadPoolExecutor(8) as pool:
        directories = set(pool.map(lambda _: worker_code_directory(), range(40)))
    assert len(directories) == 1
    assert os.listdir(home / "worker-code") == [directories.pop().name]


def test_the_second_of_two_that_make_it_takes_the_firsts(home, package, monkeypatch):
    rename = os.rename

    def after_another(source, target):
        monkeypatch.setattr(os, "rename", rename)
        worker_code_directory()
        rename(source, target)

    monkeypatch.setattr(os, "rename", after_another)
    directory = worker_code_directory()
    assert os.listdir(home / "worker-code") == [directory.name]
    assert (directory / "__main__.py").is_file()


def test_a_data_directory_that_cannot_be_made_is_said(home):
    home.write_text("a file")
    with pytest.raises(HomeError) as caught:
        worker_code_directory()
    assert str(caught.value) == (
        f"the data directory {home} cannot be written (File exists); "
        "set EAS_HOME to a writable directory"
    )


def test_a_disk_that_is_full_leaves_nothing_half_made(home, package, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(HomeError, match="No space left on device"):
        worker_code_directory()
    assert os.listdir(home / "worker-code") == []
