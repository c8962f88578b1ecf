"""The blocks and the commands of the documentation that no test runs, each with its reason."""

from __future__ import annotations

import re

COMMANDS: dict[str, str] = {
    r"(\.venv/bin/)?pip (un)?install ": "it changes an environment; see tests/tools/test_wheels.py",
    r"uv tool install ": "it changes the user's tools; tests/tools/test_wheels.py installs wheels",
    r"make ": "the targets are what CI runs; that each exists is checked",
    r"git worktree ": "it changes the clone",
    r"docker ": "no test has containers; tests/docker checks their files",
    r"kubectl ": "no test has a cluster; tests/docs/test_deploy.py checks the manifests",
    r"systemd-run ": "it needs a running systemd",
    r"AWS_ENDPOINT_URL=": "it needs that store; tests/e2e/test_object_store.py has another",
    r"(\.venv/bin/)?python -m benchmarks\.": "it takes minutes; that each option exists is checked",
    r"eascmd build ": "it downloads gigabytes; its options are parsed",
    r"eascmd completion --install": "it changes the home; see tests/cli/test_completion.py",
    r"tensorboard ": "it is a program for a browser",
    r"python -c .import tensorflow": "it needs a busy server; see tests/e2e/test_profiler.py",
    r"PYTHONPATH=\$\(eascmd processor path\)": "it serves until it is ended; "
    "tests/e2e/test_python_processors.py runs it",
}
"""By how a command begins."""

BLOCKS: dict[str, dict[str, str]] = {
    "docs/architecture.md": {
        "client ── HTTP": "a drawing",
        "cli        → app": "the arrows of imports; .importlinter keeps them",
        "STARTING": "a drawing",
        "START ": "a drawing",
    },
    "docs/client.md": {"PredictException": "tests/docs/test_client.py compares the tree"},
    "docs/server-behaviour.md": {
        '{"correlative"': "an answer; tests/frontends/test_discovery.py has it",
        "scrape_configs:": "a part of a file of Prometheus; it is parsed",
    },
    "docs/tensorflow-serving.md": {
        "logging_config {": "a part of a file; tests/docs/test_tensorflow_serving.py reads it"
    },
    "examples/grpc_images/README.md": {
        "cat.jpg": "what a model prints that is not in the repository",
        "tensorflow_model_server": "it needs a model and pictures; "
        "tests/examples/test_grpc_images.py runs client.py",
        "eascmd inspect --dir /models/resnet": "the model is not in the repository",
    },
}
"""By page and by how the first line of the block begins."""


def reason_of_command(command: str) -> str | None:
    """Return why a command is not run; None where a test runs it."""
    return next((why for begin, why in COMMANDS.items() if re.match(begin, command)), None)


def reason_of_block(page: str, first_line: str) -> str | None:
    """Return why a block is not run; None where a test runs it."""
    listed = BLOCKS.get(page, {})
    return next((why for begin, why in listed.items() if first_line.startswith(begin)), None)
