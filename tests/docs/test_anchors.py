"""Links to a heading lead to one, on the documentation site and where a host shows the files."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

from docs.reader import ROOT

LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)")


def test_every_anchor_is_a_heading(tmp_path: Path) -> None:
    pages = tmp_path / "docs"
    runpy.run_path(str(ROOT / "tools" / "docs_site.py"))["gather"](pages)
    links = [
        (page, target, anchor)
        for page in pages.rglob("*.md")
        for target, anchor in LINK.findall(page.read_text("utf-8"))
    ]
    assert len(links) > 30
    lost = [
        f"{page.name}: {target}#{anchor}"
        for page, target, anchor in links
        if anchor not in _anchors(page.parent / target if target else page)
    ]
    assert lost == []


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page that the site and hosts of Git repositories agree on."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    heads = (re.sub(r"[^\w\s-]", "", head) for head in re.findall(r"^#+ (.+)$", text, re.MULTILINE))
    anchors = (re.sub(r"\s", "-", head.strip().lower()) for head in heads)
    return {each for each in anchors if "--" not in each}
