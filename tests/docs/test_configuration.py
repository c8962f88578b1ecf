"""docs/configuration.md has a row for every key of model_config, and quotes real messages."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from eas_processor.config import load_service
from eas_processor.config.reading import read_json
from eas_processor.errors import ServiceFileError
from eas_processor.tf.config import _OF_THE_ENGINE, _READERS, _SAME

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
TABLES = PAGE[PAGE.index("| key of `model_config` |") : PAGE.index("## Where the model comes from")]


def test_every_key_of_model_config_has_a_row_and_no_other_word_has() -> None:
    cells = [line.split(" | ")[0] for line in TABLES.splitlines() if line.startswith("| `")]
    named = [key for cell in cells for key in re.findall(r'`"(\w+)"`', cell)]
    assert sorted(named) == sorted({*_READERS, *_OF_THE_ENGINE, *_SAME, "cpusets"})


def read(tmp_path: Path, **keys: Any) -> list[str]:
    path = tmp_path / "service.json"
    required = {"name": "digits", "processor": "tensorflow_cpu", "model_path": "model"}
    path.write_text(json.dumps(required | keys))
    return load_service(path).notes


def test_the_messages_that_the_page_quotes_are_those_of_the_reader(tmp_path: Path) -> None:
    flat = " ".join(PAGE.split())
    with pytest.raises(ServiceFileError) as refused:
        read(tmp_path, metadata={"rpc": {"keepalive": "soon"}})
    assert str(refused.value).replace(f"{tmp_path}/", "") in flat
    (note,) = read(tmp_path, metadata={"rpc": {"batchng": True}})
    assert f"`{note}`" in flat


def test_the_syntax_that_the_page_allows_is_read(tmp_path: Path) -> None:
    syntax = PAGE[PAGE.index("## Syntax") : PAGE.index("A duplicate key")]
    shown = re.findall(
        r"`([^`]+)`", "".join(re.findall(r"^\| .* \| (.+) \|$", syntax, re.MULTILINE))
    )
    assert len(shown) > 5
    for each in shown:
        keys = each if each.startswith("{") else f"{{{each}}}"
        (tmp_path / "part.json").write_text(keys)
        assert read_json(tmp_path / "part.json")
