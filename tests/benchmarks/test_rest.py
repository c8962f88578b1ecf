from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import orjson
import pytest

from benchmarks.contender import HERE
from benchmarks.model_server import read_predictions, rest_body
from benchmarks.rest import ALONE, OURS, image

ROWS = np.full((2, 3), 0.1, np.float32)


def test_a_body_has_each_number_in_its_shortest_text() -> None:
    assert rest_body(ROWS) == b'{"instances":[[0.1,0.1,0.1],[0.1,0.1,0.1]]}'


def test_predictions_are_read_as_float32() -> None:
    answer = orjson.dumps({"predictions": ROWS.tolist()})
    assert np.array_equal(read_predictions(answer), ROWS)


@pytest.mark.slow
def test_an_image_is_measured(tmp_path: Path) -> None:
    script = HERE / "servers" / "make_models.py"
    subprocess.run([sys.executable, script, tmp_path, "--image"], check=True, capture_output=True)
    found, lines = image(tmp_path, rounds=1, seconds=0.4)
    assert all(found["image"][side][0]["p50"] > 0 for side in (OURS, ALONE))
    assert "to be at most 2.5" in lines[-1]
