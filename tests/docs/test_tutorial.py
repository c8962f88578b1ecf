"""docs/tutorial.md, run as a reader does."""

from __future__ import annotations

from pathlib import Path

import pytest
from docs.reader import Reader
from fixtures import need

pytestmark = pytest.mark.slow


def test_the_page_does_what_it_says(tmp_path: Path) -> None:
    need.module("keras")
    need.path_of("curl")
    reader = Reader(tmp_path)
    try:
        reader.follow("tutorial.md")
    finally:
        status = reader.stop()
    assert status == 0
