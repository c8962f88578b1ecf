"""What of the image that stands in for tensorflow/serving can be checked without docker."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from eas_processor.cli.model_server_flags import read_flags

DOCKER = Path(__file__).parents[2] / "docker"
ROOT = DOCKER.parent


def flags_of(tmp_path: Path, *arguments: str, **environment: str) -> list[str]:
    """Return the flags that the entry point gives to the server."""
    server = tmp_path / "tensorflow_model_server"
    server.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    server.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    command = [str(DOCKER / "tf_serving_entrypoint.sh"), *arguments]
    made = subprocess.run(
        command, env={"PATH": path, **environment}, capture_output=True, text=True, check=True
    )
    return made.stdout.splitlines()


@pytest.mark.parametrize(
    ("environment", "base"),
    [
        ({}, "/models/model"),
        ({"MODEL_NAME": "half plus"}, "/models/half plus"),
        ({"MODEL_NAME": "m", "MODEL_BASE_PATH": "/data"}, "/data/m"),
    ],
)
def test_the_environment_names_the_model(
    tmp_path: Path, environment: dict[str, str], base: str
) -> None:
    flags = read_flags(flags_of(tmp_path, **environment))
    assert (flags.model_base_path, flags.model_name) == (base, base.rpartition("/")[2])
    assert (flags.port, flags.rest_api_port) == (8500, 8501)


def test_arguments_go_to_the_server_and_come_last(tmp_path: Path) -> None:
    flags = read_flags(flags_of(tmp_path, "--rest_api_port=9000", "--enable_batching"))
    assert flags.rest_api_port == 9000 and flags.enable_batching


def test_each_copied_path_exists_and_is_sent_to_the_builder() -> None:
    ignore = (ROOT / ".dockerignore").read_text().split()
    for line in (DOCKER / "Dockerfile.tensorflow-serving").read_text().splitlines():
        if line.startswith("COPY "):
            for path in line.split()[1:-1]:
                assert (ROOT / path).exists(), path
                assert f"!{path}" in ignore, path
