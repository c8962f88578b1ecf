"""The tutorials, run block by block as a reader does."""

from __future__ import annotations

from pathlib import Path

import pytest
from docs.reader import DOCS, Reader
from fixtures import need

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("page", sorted(each.name for each in DOCS.glob("tutorial*.md")))
def test_the_page_does_what_it_says(page: str, tmp_path: Path) -> None:
    text = (DOCS / page).read_text("utf-8")
    for module in ("keras", "tensorflow", "grpc"):
        if f"import {module}\n" in text or f"import {module} as" in text:
            need.module(module)
    need.path_of("curl")
    reader = Reader(tmp_path)
    try:
        reader.follow(page)
    finally:
        status = reader.stop()
    assert status == 0
