"""CONTRIBUTING.md names folders, files and targets that are there."""

from __future__ import annotations

import re

import pytest
from docs.reader import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
PATHS = sorted(set(re.findall(r"`((?:eas_\w+|tests|tools|examples)/[\w./-]*)`", PAGE)))
TARGETS = sorted(set(re.findall(r"(?:`|    )make ([a-z-]+)", PAGE)))


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_there(path: str) -> None:
    assert (ROOT / path.replace("NAME", "")).exists()


def test_every_target_is_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert TARGETS
    assert [each for each in TARGETS if not re.search(rf"^{each}:", makefile, re.MULTILINE)] == []


def test_every_package_of_the_engine_is_in_the_table() -> None:
    """The rest of the engine is in the page on its architecture, which the page names."""
    there = {path.parent.name for path in (ROOT / "eas_processor").glob("*/__init__.py")}
    named = {path.split("/")[1] for path in PATHS if path.startswith("eas_processor/")}
    assert there - named <= {"bench", "hooks", "processors"}
