"""docs/howto-*.md: what they have a reader do works, and what cannot be run here fits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from docs.reader import DOCS, Block, Reader, blocks
from fixtures import need

from eas_processor.cli.parser import make_parser
from eas_processor.config.keys import KEYS
from eas_processor.config.text_protos.batching_config import read_batching

PAGES = sorted(each.name for each in DOCS.glob("howto-*.md"))
DEPLOY = DOCS.parent / "examples" / "deploy"


def is_run(page: str) -> bool:
    return any(each.kind == "sh" for each in blocks(page))


def is_yaml(block: Block) -> bool:
    return block.kind == "yaml"


def help_of_serve() -> str:
    return make_parser().commands["serve"].format_help()


@pytest.mark.slow
@pytest.mark.parametrize("page", [each for each in PAGES if is_run(each)])
def test_the_page_does_what_it_says(page: str, tmp_path: Path) -> None:
    need.path_of("curl")
    reader = Reader(tmp_path)
    try:
        reader.follow(page)
    finally:
        status = reader.stop()
    assert status == 0


def deployed() -> list[Any]:
    """Return every object that a manifest of examples/deploy has, at any depth."""
    found: list[Any] = []

    def walk(value: Any) -> None:
        found.append(value)
        for each in value.values() if isinstance(value, dict) else value:
            if isinstance(each, dict | list):
                walk(each)

    for path in DEPLOY.glob("*.yaml"):
        for document in yaml.safe_load_all(path.read_text()):
            walk(document)
    return found


def test_what_the_page_shows_of_the_manifests_is_in_them() -> None:
    objects = deployed()
    shown = [yaml.safe_load(each.text) for each in blocks("howto-kubernetes.md") if is_yaml(each)]
    assert len(shown) == 7
    for part in shown:
        assert any(isinstance(each, dict) and part.items() <= each.items() for each in objects), (
            part
        )


def test_yaml_is_yaml_and_braces_close() -> None:
    for block in (each for page in PAGES for each in blocks(page)):
        if is_yaml(block):
            assert isinstance(yaml.safe_load(block.text), dict)
        elif block.kind == "nginx":
            assert block.text.count("{") == block.text.count("}")
            last = [each.rstrip()[-1] for each in block.text.splitlines() if each.strip()]
            assert set(last) <= set("{};")


def test_balancers_close_idle_connections_first() -> None:
    default = make_parser().commands["serve"].get_default("idle_timeout")
    text = "".join(each.text for each in blocks("howto-balancers.md") if each.kind != "console")
    kept = re.findall(r"(?:keepalive_timeout|idleConnTimeout:|idle_timeout:) (\d+)s", text)
    assert len(kept) == 3
    assert all(int(each) < default for each in kept)
    assert set(re.findall(r"/(?:readyz|healthz)\b", text)) == {"/readyz"}


def test_commands_have_options_and_files_that_exist() -> None:
    lines = [
        line
        for page in PAGES
        for each in blocks(page)
        if each.kind == "console"
        for line in each.text.splitlines()
    ]
    assert len(lines) > 5
    for line in lines:
        if line.startswith("eascmd serve"):
            options = re.findall(r"--[\w-]+", line)
            assert options
            assert set(options) <= set(help_of_serve().split())
        for path in re.findall(r"examples/\S+", line):
            assert (DOCS.parent / path).exists()


def test_the_file_for_batching_is_one(tmp_path: Path) -> None:
    (block,) = [each for each in blocks("howto-batching.md") if each.kind == "proto"]
    path = tmp_path / "batching.pbtxt"
    path.write_text(block.text)
    read = read_batching(path)
    assert (read.max_batch_size, read.allowed_batch_sizes) == (32, (8, 32))


def test_keys_that_the_pages_name_are_those_of_the_service_file() -> None:
    text = "".join((DOCS / each).read_text() for each in PAGES)
    named = set(re.findall(r"`(metadata\.[\w.]+)`", text))
    assert len(named) > 4
    assert named <= set(KEYS)
