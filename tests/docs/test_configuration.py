"""docs/configuration.md has a row for every key of model_config that is read."""

from __future__ import annotations

import re
from pathlib import Path

from eas_processor.tf.config import _OF_THE_ENGINE, _READERS, _SAME

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
TABLES = PAGE[PAGE.index("| key of `model_config` |") : PAGE.index("## Where the model comes from")]


def test_every_key_of_model_config_has_a_row_and_no_other_word_has() -> None:
    cells = [line.split(" | ")[0] for line in TABLES.splitlines() if line.startswith("| `")]
    named = [key for cell in cells for key in re.findall(r'`"(\w+)"`', cell)]
    assert sorted(named) == sorted({*_READERS, *_OF_THE_ENGINE, *_SAME, "cpusets"})
