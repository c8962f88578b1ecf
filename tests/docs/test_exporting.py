"""docs/exporting.md: its links lead somewhere, and its Python exports models as it says."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fixtures import need

from eas_processor.tf.model.find import SavedModelSummary, read_model

PAGE = Path(__file__).parents[2] / "docs" / "exporting.md"
TEXT = PAGE.read_text(encoding="utf-8")
SECTIONS = {
    part.partition("\n")[0]: part for part in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]
}
OLD_ONLY = {
    ("Keras in TensorFlow 1", 0): "set_learning_phase is in no TensorFlow that has Keras 3",
    ("Estimators", 0): "TensorFlow 2.16 and newer have no estimators",
}
"""Blocks that the newest TensorFlow cannot run; `make test-builds` has models of the same kinds."""
KERAS = [
    ("Keras 3", 0, "serving_default", "images"),
    ("Keras 3", 1, "predict_images", "images"),
    ("Keras 2", 0, "serving_default", "inputs"),  # Keras 3, which runs it here, names it so
    ("Weights without their model", 0, "serving_default", "images"),
    ("Models without signatures", 0, "serving_default", "x"),
    ("Checkpoints", 1, "serving_default", "images"),
]
"""Blocks that export a model of Keras: the signature that comes of them, and its input."""
GRAPHS = [("Checkpoints", 0), ("Frozen graphs", 0), ("Frozen graphs", 1), ("Frozen graphs", 2)]
"""Blocks of TensorFlow 1's functions, in the order in which one program can run them."""
PROGRAM = """
import shutil
import tensorflow.compat.v1 as tf
with tf.Session(graph=tf.Graph()) as session:
    x = tf.placeholder(tf.float32, [None, 4], name="x")
    y = tf.identity(x @ tf.get_variable("weights", [4, 3]), name="y")
    session.run(tf.global_variables_initializer())
    tf.train.Saver().save(session, "model.ckpt-100")
    tf.io.write_graph(session.graph_def, ".", "graph.pbtxt")
{}
shutil.move("saved_model", "of_checkpoint")
{}
shutil.copy("frozen.pb", "of_session.pb")
{}
{}
"""


def blocks(section: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", SECTIONS[section], flags=re.DOTALL)


def inputs_of(path: Path, signature: str = "serving_default") -> list[str]:
    found = read_model(str(path))
    assert isinstance(found, SavedModelSummary)
    return list(found.meta_graphs[0].signatures[signature].inputs)


def test_every_link_leads_to_a_section() -> None:
    anchors = {name.lower().replace(" ", "-") for name in SECTIONS}
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= anchors


def test_every_block_is_run_or_needs_an_old_tensorflow() -> None:
    run = {(section, number) for section, number, *_ in KERAS} | set(GRAPHS)
    there = {(name, number) for name in SECTIONS for number in range(len(blocks(name)))}
    assert run | set(OLD_ONLY) == there
    for section, number in OLD_ONLY:
        ast.parse(blocks(section)[number])


@pytest.mark.medium
@pytest.mark.filterwarnings("ignore")  # Keras warns of numpy
@pytest.mark.parametrize(("section", "number", "name", "inputs"), KERAS)
def test_what_the_lines_export(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    section: str,
    number: int,
    name: str,
    inputs: str,
) -> None:
    need.module("tensorflow")
    need.module("keras")
    import tensorflow as tf

    def make_model() -> Any:
        layers = [tf.keras.Input((4,), name="images"), tf.keras.layers.Dense(3)]
        return tf.keras.Sequential(layers)

    monkeypatch.chdir(tmp_path)
    model = make_model()
    for file in ("model.keras", "model.h5"):
        model.save(file)
    model.save_weights("model.weights.h5")
    tf.train.Checkpoint(model=model).write("ckpt-1")
    names = {"model": model, "make_model": make_model, "tf": tf}
    exec(blocks(section)[number], names)
    assert inputs_of(tmp_path / "saved_model", name) == [inputs]


@pytest.mark.medium
def test_what_the_lines_of_tensorflow_1_export(tmp_path: Path) -> None:
    need.module("tensorflow")
    program = PROGRAM.format(*(blocks(section)[number] for section, number in GRAPHS))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert inputs_of(tmp_path / "of_checkpoint") == ["x"]
    assert inputs_of(tmp_path / "saved_model") == ["x"]
    assert read_model(str(tmp_path / "of_session.pb")), "a frozen graph that can be read"
