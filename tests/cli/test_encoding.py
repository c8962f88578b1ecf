from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MODEL = Path(__file__).parents[1] / "tf" / "data" / "tf1_saved_model"


@pytest.mark.parametrize("variables", [{}, {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
def test_a_path_beyond_ascii_is_found_in_an_ascii_locale(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    model = tmp_path / "modèle-模型"
    shutil.copytree(MODEL, model)
    environment = {**os.environ, "LC_ALL": "C", **variables}
    command = [sys.executable, "-m", "eas_processor.cli", "inspect", str(model)]
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "predict_images" in done.stdout
