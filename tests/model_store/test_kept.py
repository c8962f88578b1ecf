from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from eas_processor.errors import ModelFetchError
from eas_processor.model_store import kept as module
from eas_processor.model_store.kept import kept


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A volume of Kubernetes, or of git-sync: what the links lead to."""
    path = tmp_path / "volume" / "..2026_01"
    (path / "variables").mkdir(parents=True)
    (path / "saved_model.pb").write_text("graph")
    (path / "variables" / "v").write_text("one")
    return path


@pytest.fixture(params=["link", "copy"])
def another_disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    if request.param == "copy":
        monkeypatch.setattr(os, "link", fail)


@pytest.mark.usefixtures("another_disk")
def test_a_model_that_is_taken_away_when_its_link_is_turned(model: Path, home: Path) -> None:
    found = kept(model, model.parent)
    assert found.is_relative_to(home / "models")
    assert kept(model, model.parent) == found
    shutil.rmtree(model)
    assert (found / "saved_model.pb").read_text() == "graph"
    assert (found / "variables" / "v").read_text() == "one"


@pytest.mark.usefixtures("another_disk")
def test_a_file_keeps_its_name(model: Path, home: Path) -> None:
    found = kept(model / "saved_model.pb", model.parent / "saved_model.pb")
    shutil.rmtree(model)
    assert (found.name, found.read_text()) == ("saved_model.pb", "graph")


def test_versions_stand_side_by_side(model: Path) -> None:
    before = kept(model, model.parent)
    (model / "variables" / "v").unlink()
    (model / "variables" / "v").write_text("two")
    after = kept(model, model.parent)
    assert (before / "variables" / "v").read_text() == "one"
    assert (after / "variables" / "v").read_text() == "two"


def test_other_models_are_used_where_they_are(
    model: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The hidden directory is named, or no hidden one is on the way.
    assert kept(model, model) == model
    assert kept(tmp_path / "v1", tmp_path / "current") == tmp_path / "v1"
    assert kept(home / ".models" / "m", tmp_path / "model.tar") == home / ".models" / "m"
    assert not home.exists()
    monkeypatch.setattr(module, "MOST_KEPT", 3)
    assert kept(model, model.parent) == model


def test_a_model_that_goes_while_it_is_copied(
    model: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(file: Path, target: Path) -> None:
        target.write_text("other")

    monkeypatch.setattr(module, "_link_or_copy", change)
    with pytest.raises(ModelFetchError, match="was changed while it was copied; try again"):
        kept(model, model.parent)
    assert not [each for each in home.rglob("*") if each.name == "saved_model.pb"]
