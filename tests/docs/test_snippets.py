"""
Each code block of the documentation is run, or is listed in not_run.py with a reason.

`docs.reader` follows tutorials, how-to pages and the READMEs of examples from the first block to
the last. The blocks of all other pages run in a workspace that has the files and the services that
they name (`docs.workspace`).
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from docs.not_run import BLOCKS, COMMANDS, reason_of_block, reason_of_command
from docs.reader import ROOT
from docs.snippets import GUESSED, PAGES, Snippet, all_snippets, commands, snippets
from fixtures import need

from eas_processor.cli.parser import make_parser
from eas_processor.config import load_service

if TYPE_CHECKING:
    from docs.workspace import Workspace

FOLLOWED = {
    "docs/tutorial*.md": "tests/docs/test_tutorial.py",
    "docs/howto-*.md": "tests/docs/test_howto.py",
    "examples/c_processor/README.md": "tests/examples/test_processor_examples.py",
    "examples/image_classifier/README.md": "tests/examples/test_model_examples.py",
    "examples/onnx_linear/README.md": "tests/examples/test_processor_examples.py",
    "examples/recommender/README.md": "tests/examples/test_model_examples.py",
    "examples/sklearn_iris/README.md": "tests/examples/test_processor_examples.py",
    "examples/strings/README.md": "tests/examples/test_model_examples.py",
}
"""Pages that another test follows, and that test."""
BY_OTHERS = {
    ("docs/api.md", "python"): "tests/docs/test_api.py",
    ("docs/exporting.md", "python"): "tests/docs/test_exporting.py",
    ("docs/howto-*.md", "yaml"): "tests/docs/test_howto.py",
    ("docs/howto-*.md", "nginx"): "tests/docs/test_howto.py",
    ("docs/howto-*.md", "haproxy"): "tests/docs/test_howto.py",
    ("docs/howto-*.md", "proto"): "tests/docs/test_howto.py",
    ("docs/howto-*.md", "promql"): "tests/docs/test_howto.py",
}
"""Kinds of blocks of a page that another test reads, and that test."""
ALL = all_snippets()
SHELL = "sh", "console"


def follower(each: Snippet) -> str | None:
    """Return the test that follows the page to this block."""
    tests = [test for page, test in FOLLOWED.items() if fnmatch(each.page, page)]
    done = each.kind in ("sh", "text") or "title=" in each.rest
    return tests[0] if tests and done else None


def other_test(each: Snippet) -> str | None:
    """Return the test of its own that a block has."""
    for (page, kind), test in BY_OTHERS.items():
        if fnmatch(each.page, page) and each.kind == kind and each.rest != GUESSED:
            return test
    return None


def looked_up(*kinds: str) -> list[Snippet]:
    """Return the blocks of these kinds that this file runs."""
    return [
        each
        for each in ALL
        if each.kind in kinds
        and not (follower(each) or other_test(each))
        and reason_of_block(each.page, each.first_line) is None
    ]


def pages_of(*kinds: str) -> list[str]:
    return sorted({each.page for each in looked_up(*kinds)})


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    need.module("tensorflow")
    need.module("grpc")
    need.path_of("curl")
    need.path_of("openssl")
    # Not above: it imports TensorFlow, and the quick tests of this file do without.
    from docs.workspace import workspace_in

    with workspace_in(tmp_path_factory.mktemp("workspace")) as found:
        yield found


def test_every_block_is_run_or_listed() -> None:
    run = {*looked_up(*SHELL, "python", "json")}
    left = [
        f"{each}: {each.kind}: {each.first_line}"
        for each in ALL
        if each not in run
        and not (follower(each) or other_test(each))
        and reason_of_block(each.page, each.first_line) is None
    ]
    assert left == [], "a test must run these, or tests/docs/not_run.py must say why none does"


def test_what_is_listed_is_there() -> None:
    for page, listed in BLOCKS.items():
        lines = [each.first_line for each in snippets(page)]
        for begin in listed:
            assert any(line.startswith(begin) for line in lines), f"{page}: {begin}"
    given = [command for each in ALL if each.kind in SHELL for command in commands(each.text)]
    for begin in COMMANDS:
        assert any(re.match(begin, command) for command in given), begin


def test_the_tests_that_are_named_are_there() -> None:
    reasons = [*COMMANDS.values(), *(why for each in BLOCKS.values() for why in each.values())]
    named = {*FOLLOWED.values(), *BY_OTHERS.values()}
    named |= {name for why in reasons for name in re.findall(r"tests/[\w/.]+", why)}
    assert [each for each in sorted(named) if not (ROOT / each).exists()] == []
    for page in FOLLOWED:
        assert any(fnmatch(each, page) for each in PAGES), page


def test_the_shell_can_read_every_command() -> None:
    for each in ALL:
        if each.kind in SHELL:
            done = subprocess.run(
                ["bash", "-n"], input=each.text, capture_output=True, text=True, check=False
            )
            assert (done.returncode, done.stderr) == (0, ""), each


def test_commands_that_are_not_run_have_options_and_files_that_exist() -> None:
    found = [command for each in ALL if each.kind in SHELL for command in commands(each.text)]
    for command in found:
        words = shlex.split(command, comments=True)
        files = [each for each in words if each.startswith(("docker/", "docs/", "examples/"))]
        assert [each for each in files if not (ROOT / each).exists()] == [], command
        if words[0] == "make":
            targets = [word for word in words[1:] if "=" not in word]
            makefile = (ROOT / "Makefile").read_text()
            made = [each for each in targets if re.search(rf"^{each}\b.*:", makefile, re.MULTILINE)]
            assert made == targets, command
        elif words[:2] == ["eascmd", "build"]:
            make_parser().parse_args(words[1:])
        elif "-m" in words and (module := words[words.index("-m") + 1]).startswith("benchmarks."):
            text = (ROOT / (module.replace(".", "/") + ".py")).read_text()
            assert [word for word in words if word.startswith("--") and word not in text] == []


def test_parts_of_other_files_can_be_parsed() -> None:
    parsed = [
        yaml.safe_load(each.text)
        for each in snippets("docs/server-behaviour.md")
        if each.kind not in SHELL
    ]
    assert parsed and all(isinstance(each, dict) for each in parsed)


@pytest.mark.parametrize("each", looked_up("json"), ids=str)
def test_a_service_file_is_one(each: Snippet, tmp_path: Path) -> None:
    path = tmp_path / "service.json"
    path.write_text(each.text)
    assert load_service(path).notes == []


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_of(*SHELL))
def test_the_commands_of_the_page_do_what_they_say(page: str, workspace: Workspace) -> None:
    here = looked_up(*SHELL)
    for each in snippets(page):
        if each in here:
            found = commands(each.text)
            workspace.run(
                [command for command in found if reason_of_command(command) is None], page
            )
        elif title := re.search(r'title="(.+)"', each.rest):
            workspace.write(title[1], each.text)


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_of("python"))
def test_the_lines_of_python_do_what_they_say(page: str, workspace: Workspace) -> None:
    names = workspace.names()
    for each in looked_up("python"):
        if each.page == page and "title=" not in each.rest:
            workspace.python(each.text, names)
