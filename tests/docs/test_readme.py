"""The README leads to files that exist, and says the same in English and Chinese."""

from __future__ import annotations

import re

import pytest
from docs.reader import ROOT

NAMES = "README.md", "README.zh-CN.md"


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def commands(text: str) -> list[str]:
    """Return the lines of the indented blocks without their comments."""
    lines = re.findall(r"^    (.+)$", text, re.MULTILINE)
    return [each.partition("#")[0].strip() for each in lines]


def figures(text: str) -> list[str]:
    """Return the numbers of the tables, in order."""
    rows = re.findall(r"^\|.*$", text, re.MULTILINE)
    return [each for row in rows for each in re.findall(r"\d+(?:[.,]\d+)*", row)]


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", read(name))
    assert len(links) > 10
    assert [each for each in links if not (ROOT / each).exists()] == []


def test_both_have_the_same_commands_and_figures() -> None:
    english, chinese = map(read, NAMES)
    assert commands(english) == commands(chinese)
    assert figures(english[: english.index("## Documentation")]) == figures(chinese)
    fenced = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
    assert fenced.findall(english) == fenced.findall(chinese) != []
