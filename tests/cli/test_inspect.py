from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
from pathlib import Path

import pytest

from eas_processor.cli.main import main
from eas_processor.tf.model.schema import SavedModel

DATA = Path(__file__).parents[1] / "tf" / "data"


def inspect(path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["inspect", str(path), *options]) == 0
    return capsys.readouterr().out


def test_a_saved_model_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    facts = json.loads(inspect(DATA / "tf1_saved_model", capsys, "--json"))
    assert facts["kind"] == "SavedModel"
    assert facts["tensorflow_version"] == "1.15.5"
    assert facts["signatures"][1] == {
        "signature_name": "predict_images",
        "method_name": "tensorflow/serving/predict",
        "tags": ["serve"],
        "inputs": [
            {"name": "images", "shape": [-1, 4], "type": "DT_FLOAT", "tensor_name": "images:0"}
        ],
        "outputs": [
            {"name": "scores", "shape": [-1, 3], "type": "DT_FLOAT", "tensor_name": "scores:0"}
        ],
    }


def test_a_saved_model_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    lines = inspect(DATA / "tf1_saved_model", capsys).splitlines()
    assert "signature predict_images (tensorflow/serving/predict; tags: serve)" in lines
    rows = [line.split() for line in lines]
    assert ["input", "images", "DT_FLOAT", "[-1,", "4]", "images:0"] in rows


def test_a_model_of_tensorflow_lite(capsys: pytest.CaptureFixture[str]) -> None:
    path = DATA / "tfs" / "saved_model_half_plus_two_tflite_with_sigdef" / "00000123"
    facts = json.loads(inspect(path, capsys, "--json"))
    assert facts["kind"] == "TensorFlow Lite model"
    (signature,) = facts["signatures"]
    assert signature["inputs"] == [
        {"name": "x", "shape": [1, 1], "type": "DT_FLOAT", "tensor_name": "tflite_input:0"}
    ]
    lines = inspect(path / "model.tflite", capsys).splitlines()
    assert lines[0] == f"TensorFlow Lite model {path / 'model.tflite'}"
    assert "signature serving_default (tensorflow/serving/predict)" in lines


def test_a_saved_model_without_signatures_or_tags(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = SavedModel()
    graph = message.meta_graphs.add().graph_def
    graph.node.add(name="x", op="Placeholder").attr["dtype"].type = 1
    graph.node.add(name="y", op="Relu", input=["x"])
    (tmp_path / "saved_model.pb").write_bytes(message.SerializeToString())
    table = inspect(tmp_path, capsys)
    assert "no signatures: it is called by the names of its tensors" in table
    rows = [line.split() for line in table.splitlines()]
    assert ["placeholder", "x", "DT_FLOAT", "any", "x:0"] in rows
    assert ["likely", "output", "y", "?", "?", "y:0"] in rows
    message.meta_graphs[0].signature_def["call"].method_name = "m"
    (tmp_path / "saved_model.pb").write_bytes(message.SerializeToString())
    assert "signature call (m; tags: none)" in inspect(tmp_path, capsys)


def test_a_frozen_graph(capsys: pytest.CaptureFixture[str]) -> None:
    facts = json.loads(inspect(DATA / "tf1_frozen.pb", capsys, "--json"))
    assert facts["kind"] == "frozen graph"
    assert [each["name"] for each in facts["placeholders"]] == ["images"]
    assert facts["likely_outputs"] == [
        {"name": "scores", "shape": None, "type": None, "tensor_name": "scores:0"}
    ]
    table = inspect(DATA / "tf1_frozen.pb", capsys)
    assert ["likely", "output", "scores", "?", "?", "scores:0"] in [
        line.split() for line in table.splitlines()
    ]


def test_an_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(DATA / "tf1_saved_model", arcname=".")
    packed = json.loads(inspect(tmp_path / "model.tar.gz", capsys, "--json"))
    plain = json.loads(inspect(DATA / "tf1_saved_model", capsys, "--json"))
    assert packed["signatures"] == plain["signatures"]


def test_a_path_that_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "/dev/null"]) == 1
    assert capsys.readouterr().err.startswith("eascmd: /dev/null: ")


@pytest.mark.parametrize("name", ["missing", "empty", "corrupt.pb"])
def test_what_is_no_model(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "corrupt.pb").write_bytes(b"\xff")
    assert main(["inspect", str(tmp_path / name)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / name) in line


def test_an_archive_without_a_directory_for_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As beside a read-only root: one below EAS_HOME is used."""
    monkeypatch.setenv("EAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [os.environ["TMPDIR"]])
    archive = shutil.make_archive(str(tmp_path / "model"), "gztar", DATA / "tf1_saved_model")
    assert main(["inspect", archive]) == 0
    assert list((tmp_path / "home" / "tmp").iterdir()) == []
