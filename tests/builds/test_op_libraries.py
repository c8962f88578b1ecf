from __future__ import annotations

import json
from pathlib import Path

import pytest

from eas_processor.builds.op_libraries import asked_files, asked_modules, with_places
from eas_processor.errors import BuildError


@pytest.mark.parametrize(
    ("given", "modules", "files"),
    [
        (["tensorflow_text", "a/lib.so"], ["tensorflow_text"], ["a/lib.so"]),
        ("blade.runtime.tensorflow, lib.so.1", ["blade.runtime.tensorflow"], ["lib.so.1"]),
        ("lib.so", [], ["lib.so"]),
        ([7], [], []),
        (None, [], []),
    ],
)
def test_modules_and_files(given: object, modules: list[str], files: list[str]) -> None:
    config = json.dumps({"op_libraries": given})
    assert asked_modules(config) == modules
    assert asked_files(config) == files


@pytest.mark.parametrize("config", ["", "not JSON", "[]", "{}", '{"op_libraries": "a_package"}'])
def test_a_config_without_files_stays_as_it_is(config: str, tmp_path: Path) -> None:
    assert with_places(config, tmp_path, tmp_path) == config
    assert asked_files(config) == []


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "lib.so.1").write_text("1")
    (tmp_path / "lib.so").symlink_to("lib.so.1")
    found = json.loads(with_places('{"op_libraries": "lib.so"}', tmp_path, tmp_path / "m.pb"))
    assert found == {"op_libraries": [str(tmp_path / "lib.so.1")]}


def test_a_file_that_is_nowhere(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        with_places('{"op_libraries": "lib.so"}', tmp_path / "services", tmp_path / "m.pb")
    assert str(caught.value) == (
        f"model_config.op_libraries: lib.so is neither beside the service file, in "
        f"{tmp_path}/services, nor beside the model, in {tmp_path}"
    )
