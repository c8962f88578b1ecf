from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from eas_processor.config import load_service
from eas_processor.errors import ModelFetchError
from eas_processor.processors.code import Code, keep_code


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EAS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    directory = tmp_path / "ocr"
    for left_by_tools in ("__pycache__", ".git", ".mypy_cache", "env"):
        (directory / left_by_tools).mkdir(parents=True)
    (directory / "env" / "pyvenv.cfg").touch()
    (directory / "app.py").write_text("import util\n")
    (directory / "util.py").write_text("")
    return directory


def keep(path: str, **keys: str) -> Code:
    home = Path(os.environ["EAS_HOME"])
    home.mkdir(exist_ok=True)
    file = home.parent / "service.json"
    file.write_text(json.dumps({"name": "ocr", "processor_path": path, **keys}))
    return keep_code(load_service(file))


def test_a_directory_is_copied_without_what_tools_leave_there(source: Path, home: Path) -> None:
    code = keep("./ocr")
    assert code.entry == code.directory / "app.py"
    assert code.directory.is_relative_to(home / "processors")
    assert sorted(each.name for each in code.directory.iterdir()) == ["app.py", "util.py"]


def test_what_cannot_be_copied_is_left_out(source: Path, home: Path) -> None:
    os.mkfifo(source / "pipe")
    (source / "editor_lock").symlink_to("user@host.1234")
    (source / "loop").symlink_to("loop")
    (source / "up").symlink_to(".")
    code = keep("./ocr")
    assert sorted(each.name for each in code.directory.iterdir()) == ["app.py", "util.py"]


def test_a_processor_beside_the_data_directory(source: Path, tmp_path: Path) -> None:
    (tmp_path / "app.py").touch()
    code = keep(".", processor_entry="app.py")
    found = sorted(each.name for each in code.directory.iterdir())
    assert found == ["app.py", "ocr", "service.json"]


def test_the_same_content_is_the_same_processor(source: Path) -> None:
    before = keep("./ocr")
    os.utime(source / "app.py", (1, 1))
    assert keep("./ocr") == before


def test_other_content_is_another_processor_and_the_first_stays_while_it_may_be_in_use(
    source: Path,
) -> None:
    before = keep("./ocr")
    (source / "app.py").write_text("import util # changed\n")
    after = keep("./ocr")
    assert after.directory != before.directory
    assert before.entry.read_text() == "import util\n"


def test_a_single_file_is_copied_alone(source: Path) -> None:
    code = keep("ocr/app.py")
    assert [each.name for each in code.directory.iterdir()] == ["app.py"]


def test_an_archive_is_unpacked(source: Path, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "ocr"), "gztar", source)
    code = keep("ocr.tar.gz", processor_entry="app.py")
    assert code.entry.read_text() == "import util\n"


@pytest.mark.parametrize(
    ("path", "keys", "sentence"),
    [
        ("missing", {}, "processor_path: "),
        ("missing", {}, "missing does not exist"),
        ("hdfs://a/b", {}, "processor_path: hdfs"),
        ("ocr", {"processor_entry": "main.py"}, "processor_entry: 'main.py' is not in the"),
        ("broken.zip", {}, "processor_path: "),
    ],
)
def test_what_cannot_be_had_is_refused_with_the_key(
    source: Path, tmp_path: Path, path: str, keys: dict[str, str], sentence: str
) -> None:
    (tmp_path / "broken.zip").write_bytes(b"no archive")
    with pytest.raises(ModelFetchError) as caught:
        keep(path, **keys)
    assert str(caught.value).startswith(f"{tmp_path / 'service.json'}: ")
    assert sentence in str(caught.value)
