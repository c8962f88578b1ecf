"""The index of the examples: it has all of them, and each command names files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
ROW = re.compile(r"\| \[(?P<name>[^]]+)\]\((?P<link>[^)]+)\) \| [^|]+ \| `(?P<command>[^`|]+)` \|")
INDEX = (EXAMPLES / "README.md").read_text(encoding="utf-8")
ROWS = [
    (match["name"], match["link"], match["command"])
    for line in INDEX.splitlines()
    if (match := ROW.fullmatch(line))
]


def test_each_example_is_in_it_once_and_nothing_else_is() -> None:
    there = [
        path.name
        for path in EXAMPLES.iterdir()
        if path.name != "README.md" and not path.name.startswith((".", "__"))
    ]
    assert sorted(name for name, _, _ in ROWS) == sorted(there)
    lines_of_examples = [line for line in INDEX.splitlines() if line.startswith("| [")]
    assert len(lines_of_examples) == len(ROWS), "a line is not `| [name](name) | text | command |`"


@pytest.mark.parametrize(("name", "link", "command"), ROWS)
def test_its_command_names_files_that_are_there(name: str, link: str, command: str) -> None:
    assert link == name
    path = EXAMPLES / name
    folder = path if path.is_dir() else path.parent
    files = re.findall(r"[\w-]+\.(?:py|json|ipynb|yaml)\b", command)
    assert files or command.startswith("make ")
    assert [file for file in files if not (folder / file).exists()] == []
