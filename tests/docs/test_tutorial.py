"""The tutorials, run block by block as a reader does."""

from __future__ import annotations

from pathlib import Path

import pytest
from docs.reader import DOCS, Reader
from fixtures import need

NEEDED = {
    "keras": "import keras",
    "tensorflow": "import tensorflow",
    "grpc": "import GrpcClient",
}
"""Packages that a page needs, and the words in it that say so."""

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("page", sorted(each.name for each in DOCS.glob("tutorial*.md")))
def test_the_page_does_what_it_says(page: str, tmp_path: Path) -> None:
    text = (DOCS / page).read_text("utf-8")
    for module, mark in NEEDED.items():
        if mark in text:
            need.module(module)
    need.path_of("curl")
    reader = Reader(tmp_path)
    try:
        reader.follow(page)
    finally:
        status = reader.stop()
    assert status == 0
