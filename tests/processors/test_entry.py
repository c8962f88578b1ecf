from __future__ import annotations

from pathlib import Path

import pytest

from eas_processor.errors import ModelFetchError
from eas_processor.processors.entry import Kind, find_entry_file


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path


def fill(directory: Path, *names: str) -> Path:
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return directory


@pytest.mark.parametrize(
    ("names", "named", "processor_type", "found", "kind"),
    [
        (["app.py", "util.py"], "", "", "app.py", Kind.PYTHON),
        (["app.py", "util.py"], "util.py", "python", "util.py", Kind.PYTHON),
        (["processor.py", "util.py"], "", "python", "processor.py", Kind.PYTHON),
        (["only.py", "README"], "", "", "only.py", Kind.PYTHON),
        (["librank.so", "libz.so.1"], "", "", "librank.so", Kind.CPP),
        (["librank.so", "app.py"], "", "c++", "librank.so", Kind.CPP),
        (["echo_release/libecho.so"], "libecho.so", "CPP", "echo_release/libecho.so", Kind.CPP),
        (["a/app.py"], "a/app.py", "", "a/app.py", Kind.PYTHON),
    ],
)
def test_the_file_to_load(
    directory: Path, names: list[str], named: str, processor_type: str, found: str, kind: Kind
) -> None:
    fill(directory, *names)
    assert find_entry_file(directory, named, processor_type) == (directory / found, kind)


@pytest.mark.parametrize(
    ("names", "named", "processor_type", "sentence"),
    [
        (
            ["a.py", "b.py"],
            "",
            "",
            "the file to load is not clear: name it as processor_entry; the",
        ),
        (["app.py"], "", "cpp", "the file to load is not clear: name it as processor_entry; the"),
        ([], "", "", "processor is a directory of nothing"),
        (["app.py"], "main.py", "", "'main.py' is not in the processor, which is a directory of"),
        (["a/x.py", "b/x.py"], "x.py", "", "'x.py' is not in the processor, which is a directory"),
        (["app.py"], "../app.py", "", "'../app.py' is outside the processor, expected a path"),
        (["app.py"], "app.py", "cpp", "app.py is not a processor, expected a .so file"),
        (["run.sh"], "run.sh", "", "run.sh is not a processor, expected a .py or .so file"),
    ],
)
def test_what_cannot_be_told(
    directory: Path, names: list[str], named: str, processor_type: str, sentence: str
) -> None:
    fill(directory, *names)
    with pytest.raises(ModelFetchError) as caught:
        find_entry_file(directory, named, processor_type)
    assert sentence in str(caught.value)
