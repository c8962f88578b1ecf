"""The examples of processors of one's own, each served from an empty data directory."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fixtures.many import EASCMD, Many

EXAMPLES = Path(__file__).parents[2] / "examples"


def make(example: str, directory: Path, packages: list[str], program: str) -> Path:
    """Return a copy of the example whose model has been made, as its README says."""
    copy = directory / example
    shutil.copytree(EXAMPLES / example, copy, ignore=shutil.ignore_patterns("build", ".venv"))
    uv = [sys.executable, "-m", "uv"]
    commands = [
        [*uv, "venv", "--quiet", ".venv"],
        [*uv, "pip", "install", "--quiet", "--python", ".venv", *packages],
        [".venv/bin/python", program],
    ]
    for command in commands:
        subprocess.run(command, cwd=copy, check=True, timeout=300)
    return copy / "service.json"


def ask(engine: Many, name: str, rows: list[list[float]]) -> tuple[int, Any]:
    host, port = engine.address
    connection = http.client.HTTPConnection(host, port, timeout=60)
    head = {"Authorization": engine.token(name), "Content-Type": "application/json"}
    with contextlib.closing(connection):
        connection.request(
            "POST", f"/api/predict/{name}", json.dumps({"instances": rows}).encode(), head
        )
        response = connection.getresponse()
        return response.status, json.loads(response.read())


@pytest.mark.parametrize(
    ("example", "packages", "program", "name", "rows", "expected"),
    [
        (
            "sklearn_iris",
            ["-r", "requirements.txt"],
            "train.py",
            "iris",
            [[5.1, 3.5, 1.4, 0.2], [6.7, 3.1, 5.6, 2.4]],
            [0, 2],
        ),
        ("onnx_linear", ["onnx"], "make_model.py", "linear", [[1, 2, 3]], [[4.5, -1.5]]),
    ],
)
def test_an_example_answers_from_an_environment_of_its_own(
    tmp_path: Path,
    example: str,
    packages: list[str],
    program: str,
    name: str,
    rows: list[list[float]],
    expected: list[Any],
) -> None:
    service = make(example, tmp_path, packages, program)
    engine = Many(tmp_path / "home", service, program=EASCMD)
    try:
        status, answer = ask(engine, name, rows)
        assert (status, answer["predictions"]) == (200, expected)
        declared = json.loads(engine.get(f"/api/predict/{name}", engine.token(name))[1])
        assert declared["inputs"][0]["type"] == "DT_FLOAT"
        status, answer = ask(engine, name, [[1]])
        assert status == 400 and "expected DT_FLOAT" in answer["error"]
    finally:
        engine.stop()
