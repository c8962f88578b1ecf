"""docs/decisions/: each page has the same sections, is in the index, and is linked from code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DIRECTORY = ROOT / "docs" / "decisions"
INDEX = (DIRECTORY / "index.md").read_text("utf-8")
PAGES = sorted(path for path in DIRECTORY.glob("*.md") if path.name != "index.md")
SECTIONS = [
    "Situation",
    "What was tried",
    "Figures",
    "What follows",
    "What would change our mind",
]
CODE = "eas_wire", "eas_prediction", "eas_processor", "benchmarks"


@pytest.fixture(scope="module")
def linked() -> set[str]:
    """The pages that the code or docs/architecture.md names."""
    sources = [ROOT / "docs" / "architecture.md"]
    sources += [path for folder in CODE for path in (ROOT / folder).rglob("*.py")]
    found = (re.findall(r"decisions/([\w-]+)\.md", each.read_text("utf-8")) for each in sources)
    return {name for names in found for name in names}


def test_the_index_lists_every_page_once() -> None:
    listed = re.findall(r"^\| \[[^\]]+\]\(([\w-]+\.md)\) \|", INDEX, re.MULTILINE)
    assert sorted(listed) == [path.name for path in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_its_decision_and_its_sections(page: Path) -> None:
    text = page.read_text("utf-8")
    assert re.match(r"# .+\n\n\*\*Decision:\*\* [^.]+(\.\w[^.]*)*\.\n\n## ", text), "no decision"
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    assert parts[1::2] == SECTIONS
    assert all(part.strip() for part in parts[2::2])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_figures_and_says_where_they_are_from(page: Path) -> None:
    figures = page.read_text("utf-8").split("## Figures")[1].split("\n## ")[0]
    assert re.search(r"^\|.*\d.*\|$", figures, re.MULTILINE), "no table of figures"
    assert re.search(r"20\d\d|make \w", figures), "when, or by what, was it measured?"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_linked(page: Path, linked: set[str]) -> None:
    assert page.stem in linked


def test_no_link_leads_to_a_page_that_is_not_there(linked: set[str]) -> None:
    assert linked - {"index"} <= {page.stem for page in PAGES}


@pytest.mark.parametrize("page", [*PAGES, DIRECTORY / "index.md"], ids=lambda page: page.stem)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8"))
    assert [each for each in targets if not (page.parent / each).exists()] == []
