from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from eas_processor.builds.gpu import Wanted
from eas_processor.config import LoadedService, load_service
from eas_processor.errors import BuildError
from eas_processor.processors.find import find_custom

NO_GPU = Wanted(0, None, 1)


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedService:
    monkeypatch.setenv("EAS_HOME", str(tmp_path / "home"))
    (tmp_path / "ocr" / "ENV" / "bin").mkdir(parents=True)
    (tmp_path / "ocr" / "app.py").touch()
    file = tmp_path / "service.json"
    file.write_text(json.dumps({"name": "ocr", "processor_path": "./ocr"}))
    return load_service(file)


def bring_python(tmp_path: Path, script: str) -> None:
    python = tmp_path / "ocr" / "ENV" / "bin" / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")


def test_without_an_interpreter_of_its_own_the_engines_runs_it(loaded: LoadedService) -> None:
    build = find_custom(loaded, NO_GPU)
    assert build.python == Path(sys.executable)
    assert build.directory is not None and build.hooks == str(build.directory / "app.py")


def test_the_interpreter_that_it_brings_runs_it(loaded: LoadedService, tmp_path: Path) -> None:
    bring_python(tmp_path, f'exec {sys.executable} "$@"')
    build = find_custom(loaded, NO_GPU)
    assert build.directory is not None
    assert build.python == build.directory / "ENV" / "bin" / "python"


def test_one_that_does_not_run_here_is_named(loaded: LoadedService, tmp_path: Path) -> None:
    bring_python(tmp_path, "exit 1")
    with pytest.raises(BuildError, match="ENV/bin/python of the processor is not a Python"):
        find_custom(loaded, NO_GPU)
