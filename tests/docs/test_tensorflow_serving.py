"""docs/tensorflow-serving.md says of every flag what it does."""

from __future__ import annotations

import re
from pathlib import Path

from docs.snippets import snippets

from eas_processor.cli.model_server_flags import FLAGS
from eas_processor.config.text_protos.models_config import read_models

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


def test_the_configuration_of_request_logs_is_read(tmp_path: Path) -> None:
    (shown,) = [
        each.text
        for each in snippets("docs/tensorflow-serving.md")
        if each.first_line.startswith("logging_config")
    ]
    path = tmp_path / "models.config"
    path.write_text(
        f"model_config_list {{ config {{ name: 'm' base_path: '/m' "
        f"model_platform: 'tensorflow' {shown} }} }}"
    )
    (model,) = read_models(path)
    assert model.request_log is not None
