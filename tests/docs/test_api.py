"""docs/api.md is what the docstrings say."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_docstrings_say() -> None:
    made = runpy.run_path(str(ROOT / "tools" / "api_page.py"))["page"]()
    assert (ROOT / "docs" / "api.md").read_text(encoding="utf-8") == made, (
        "run: python tools/api_page.py"
    )


def test_it_has_both_clients() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert "### PredictClient.predict_many" in text
    assert "### AsyncPredictClient.predict_many" in text


def test_signatures_have_types() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert "set_token(token: str) -> None" in text
    assert "async def close() -> None" in text
    assert '    service_name: str = "",\n' in text
