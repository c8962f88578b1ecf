"""The documentation site: its menu, its links, and that it loads nothing from elsewhere."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fixtures import need

from eas_processor.cli.parser import make_parser
from eas_processor.config.keys import KEYS
from eas_processor.link.codes import BY_NAME

ROOT = Path(__file__).parents[2]
CONFIG = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site") / CONFIG["docs_dir"]
    runpy.run_path(str(ROOT / "tools" / "docs_site.py"))["gather"](directory)
    return directory


def listed(menu: Any) -> Iterator[str]:
    if isinstance(menu, str):
        yield menu
    else:
        for each in menu.values() if isinstance(menu, dict) else menu:
            yield from listed(each)


def targets(page: Path) -> list[str]:
    """Return what a page links to, without anchors and other hosts."""
    return re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text())


def test_the_menu_has_every_page_once(pages: Path) -> None:
    """The pages of decisions/ may be in the list of its index instead."""
    menu = list(listed(CONFIG["nav"]))
    index = pages / "decisions" / "index.md"
    decisions = targets(index) if index.exists() else []
    by_index = {f"decisions/{each}" for each in decisions if "/" not in each}.difference(menu)
    there = [each.relative_to(pages).as_posix() for each in pages.rglob("*.md")]
    assert sorted([*menu, *by_index]) == sorted(there)


def test_the_first_page_leads_to_every_other_of_the_menu(pages: Path) -> None:
    others = {each for each in listed(CONFIG["nav"]) if not each.startswith("decisions/")}
    linked = targets(pages / "index.md")
    assert sorted(others.difference(linked, ["index.md"])) == []
    assert "decisions/index.md" in linked


def test_every_command_is_shown(pages: Path) -> None:
    text = (pages / "commands.md").read_text()
    shown = re.findall(r"^## eascmd (.+)$", text, re.MULTILINE)
    assert [each for each in shown if " " not in each] == list(make_parser().commands)
    assert "processor new" in shown
    assert "--port" in text


def first_cells(page: Path) -> list[str]:
    return re.findall(r"^\| `([\w.]+)`", page.read_text(), re.MULTILINE)


def test_the_reference_has_every_key(pages: Path) -> None:
    named = first_cells(pages / "reference-keys.md")
    assert named == [path for path, key in KEYS.items() if not key.children]
    row = "| `metadata.rpc.batching` | true or false | `false` |"
    assert row in (pages / "reference-keys.md").read_text()


def test_the_reference_has_the_metrics_that_server_behaviour_explains(pages: Path) -> None:
    explained = (pages / "server-behaviour.md").read_text()
    named = set(re.findall(r"`(eas_\w+)`", explained)) - {"eas_prediction"}
    assert named
    assert named - set(first_cells(pages / "reference-metrics.md")) == set()


def test_the_reference_has_every_code_in_each_protocol(pages: Path) -> None:
    assert sorted(first_cells(pages / "reference-statuses.md")) == sorted(BY_NAME)
    rows = (pages / "reference-statuses.md").read_text()
    assert "| 450 | 503 | 14 UNAVAILABLE |" in rows
    assert "| `PROCESSOR` | the processor chose an HTTP status |" in rows


def test_no_page_links_to_what_is_not_on_the_site(pages: Path) -> None:
    links = [(page, target) for page in pages.rglob("*.md") for target in targets(page)]
    assert len(links) > 30
    assert [each for each in links if not (each[0].parent / each[1]).is_file()] == []


def test_it_is_built_without_a_warning_and_loads_nothing_from_elsewhere(
    pages: Path,
) -> None:
    need.module("zensical")
    root = pages.parents[1]
    (root / "zensical.toml").write_text((ROOT / "zensical.toml").read_text())
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    built = sorted((root / CONFIG["site_dir"]).rglob("*.html"))
    assert len(built) >= len(list(pages.rglob("*.md")))
    for page in built:
        loaded = re.findall(
            r'<(?:script|link|img)[^>]+(?:src|href)="(https?://[^"]+)"', page.read_text()
        )
        assert loaded == [], page.name
        assert "```" not in page.read_text(), page.name
