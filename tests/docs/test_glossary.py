"""The glossary is in order, and its words are those of the other pages and of the code."""

from __future__ import annotations

import re

from docs.reader import DOCS, ROOT

PAGE = DOCS / "glossary.md"
ROWS = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", PAGE.read_text("utf-8"), re.MULTILINE)
WORDS = ROWS[1:]


def test_words_are_in_order_and_there_once() -> None:
    assert len(WORDS) > 30
    assert sorted(set(WORDS)) == WORDS


def test_every_word_is_used() -> None:
    files = {*DOCS.rglob("*.md"), *(ROOT / "eas_processor").rglob("*.py")} - {PAGE}
    text = " ".join(re.sub(r"[\s_-]+", " ", each.read_text("utf-8").lower()) for each in files)
    assert [each for each in WORDS if not re.search(rf"\b{each.replace('-', ' ')}", text)] == []
