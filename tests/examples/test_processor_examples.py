"""The examples of processors of one's own, each followed from an empty data directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from docs.examples import ExampleReader, followed
from fixtures import need


def ask(reader: ExampleReader, name: str, rows: list[list[float]] | None) -> tuple[int, Any]:
    """Return the status and the answer to these rows; without rows, to an empty request."""
    head = {"Authorization": reader.token, "Content-Type": "application/json"}
    body = None if rows is None else json.dumps({"instances": rows}).encode()
    try:
        with urlopen(Request(f"{reader.address}/api/predict/{name}", body, head), timeout=60) as it:
            return it.status, json.loads(it.read())
    except HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("example", "name", "rows", "expected"),
    [
        ("sklearn_iris", "iris", [[5.1, 3.5, 1.4, 0.2], [6.7, 3.1, 5.6, 2.4]], [0, 2]),
        ("onnx_linear", "linear", [[1, 2, 3]], [[4.5, -1.5]]),
    ],
)
def test_an_example_answers_from_an_environment_of_its_own(
    tmp_path: Path, example: str, name: str, rows: list[list[float]], expected: list[Any]
) -> None:
    need.path_of("curl")
    with followed(example, tmp_path) as reader:
        status, answer = ask(reader, name, rows)
        assert (status, answer["predictions"]) == (200, expected)
        assert ask(reader, name, None)[1]["inputs"][0]["type"] == "DT_FLOAT"
        status, answer = ask(reader, name, [[1]])
        assert status == 400 and "expected DT_FLOAT" in answer["error"]


@pytest.mark.medium
def test_the_example_in_c_answers_as_its_readme_says(tmp_path: Path) -> None:
    need.path_of("cc")
    with followed("c_processor", tmp_path):
        pass
