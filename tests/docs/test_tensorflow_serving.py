"""docs/tensorflow-serving.md says of every flag what it does."""

from __future__ import annotations

import re
from pathlib import Path

from eas_processor.cli.model_server_flags import FLAGS

PAGE = (Path(__file__).parents[2] / "docs" / "tensorflow-serving.md").read_text()
TABLE = PAGE[PAGE.index("| flag |") : PAGE.index("## Versions")]


def test_every_flag_has_a_row_and_no_other_word_has() -> None:
    cells = [line.split(" | ")[0] for line in TABLE.splitlines()[2:] if line.startswith("|")]
    named = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted(FLAGS)


def test_what_has_no_effect_is_in_the_row_that_says_so() -> None:
    (row,) = [line for line in TABLE.splitlines() if "no effect; the log says why" in line]
    assert set(re.findall(r"`(\w+)`", row)) == {
        name for name, flag in FLAGS.items() if flag.no_effect
    }
