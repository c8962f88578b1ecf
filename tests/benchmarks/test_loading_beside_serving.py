from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.loading_beside_serving import ALONE, LOADING, Versions, measure
from benchmarks.service import make_models


def test_the_next_version_takes_the_place_of_the_last(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    versions = Versions(tmp_path / "model", tmp_path / "base")
    for number in ("1", "2", "3"):
        versions.put()
        (link,) = (tmp_path / "base").iterdir()
        assert link.name == number and link.resolve() == tmp_path / "model"


@pytest.mark.slow
def test_both_sides_are_measured(tmp_path: Path) -> None:
    make_models(tmp_path)
    (tmp_path / "resnet").symlink_to(tmp_path / "mlp")
    found, lines = measure(tmp_path, rounds=1, seconds=0.5, rate=100)
    assert all(found[side][0]["p99"] > 0 for side in (ALONE, LOADING))
    assert "versions were loaded" in lines[-1]
