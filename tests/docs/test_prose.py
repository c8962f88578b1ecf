"""Prose of the pages fits 100 columns, so that it reads well in a terminal and in a change."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import report

ROOT = Path(__file__).parents[2]
COLUMNS = 100
_MADE_BY_A_RUN = re.compile(f"{report.BEGIN}.*{report.END}", re.DOTALL)
_LINK = re.compile(r"\]\([^)]*\)")


def pages() -> list[str]:
    """Return the pages in English; a column of Chinese is two wide."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [each for each in listed.stdout.split() if not each.endswith(".zh-CN.md")]


def prose(text: str) -> Iterator[str]:
    """Yield the lines that are neither code, nor a table, nor made by a benchmark."""
    in_code = False
    for line in _MADE_BY_A_RUN.sub("", text).splitlines():
        if line.startswith("```"):
            in_code = not in_code
        elif not in_code and not line.startswith(("    ", "|", "<")):
            yield line


@pytest.mark.parametrize("page", pages())
def test_lines_fit(page: str) -> None:
    lines = list(prose((ROOT / page).read_text(encoding="utf-8")))
    # The target of a link cannot be broken, and is not read.
    assert [line for line in lines if len(_LINK.sub("]", line)) > COLUMNS] == []


def test_code_and_tables_are_not_prose() -> None:
    text = "words\n\n    code\n\n```sh\ncode\n```\n\n| a | table |\n\nmore words\n"
    assert [each for each in prose(text) if each] == ["words", "more words"]
