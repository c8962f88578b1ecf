"""Lines of prose are short enough to read and to compare."""

from __future__ import annotations

import pytest
from docs.reader import ROOT
from docs.snippets import PAGES, snippets

WIDTH = 100
OTHERWISE = {
    "README.zh-CN.md": "Chinese is written without spaces",
    "docs/benchmarks.md": "`make bench` writes lines of what it measured",
}


@pytest.mark.parametrize("page", [each for each in PAGES if each not in OTHERWISE])
def test_lines_have_at_most_a_hundred_columns(page: str) -> None:
    code = {
        each.line + number for each in snippets(page) for number in range(each.text.count("\n") + 1)
    }
    lines = enumerate((ROOT / page).read_text("utf-8").splitlines(), 1)
    long = [
        number
        for number, line in lines
        if len(line) > WIDTH and number not in code and not line.startswith("|")
    ]
    assert long == []
