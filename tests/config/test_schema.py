from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from eas_processor.config import json_schema, load_service
from eas_processor.config.keys import KEYS, Key
from eas_processor.config.schema import Effect

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "configuration.md").read_text()
ROWS = dict(re.findall(r"^\| `([a-z_.A-Z]+)` \| (.*) \|$", PAGE, re.MULTILINE))


def test_every_key_of_the_schema_has_a_description() -> None:
    for definition in json_schema()["$defs"].values():
        for name, value in definition["properties"].items():
            assert value["description"].endswith("."), name


def test_the_schema_is_json() -> None:
    schema = json.loads(json.dumps(json_schema()))
    rpc = schema["$defs"]["Rpc"]["properties"]
    assert rpc["keepalive"]["default"] == 5000
    assert rpc["keepalive"]["minimum"] == 1
    assert schema["$defs"]["Service"]["allOf"][1]["anyOf"] == [
        {"required": ["processor", "model_path"]},
        {"required": ["processor_path"]},
    ]


@pytest.mark.parametrize("key", [key for key in KEYS.values() if not key.children], ids=str)
def test_every_key_has_its_row_in_the_page(key: Key) -> None:
    assert key.path in ROWS, f"docs/configuration.md has no row for {key.path}"
    default = ROWS[key.path].split(" | ")[0]
    if key.default not in (None, "") and isinstance(key.default, int | str):
        assert default.split()[0] == f"`{json.dumps(key.default)}`".replace('"', "")


@pytest.mark.parametrize("key", [key for key in KEYS.values() if not key.children], ids=str)
def test_the_page_says_of_each_key_what_the_schema_does(key: Key) -> None:
    assert ("*Not yet" in ROWS[key.path]) == (key.effect is Effect.LATER)


def test_the_page_names_no_key_that_does_not_exist() -> None:
    assert set(ROWS) <= set(KEYS)


def test_the_example_loads_without_a_note() -> None:
    loaded = load_service(ROOT / "service.json.example")
    assert loaded.notes == []
    assert loaded.service.name == "digits"
    assert loaded.service.processor == "tensorflow_cpu"
