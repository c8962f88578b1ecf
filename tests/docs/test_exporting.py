"""docs/exporting.md: its links lead somewhere, its Python is Python, and exports what it says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from fixtures import need

from eas_processor.tf.model.find import SavedModelSummary, read_model

PAGE = Path(__file__).parents[2] / "docs" / "exporting.md"
TEXT = PAGE.read_text(encoding="utf-8")
SECTIONS = {
    part.partition("\n")[0]: part for part in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]
}


def blocks(section: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", SECTIONS[section], flags=re.DOTALL)


def test_every_link_leads_to_a_section() -> None:
    anchors = {name.lower().replace(" ", "-") for name in SECTIONS}
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= anchors


@pytest.mark.parametrize("code", [code for name in SECTIONS for code in blocks(name)])
def test_every_block_is_python(code: str) -> None:
    ast.parse(code)


@pytest.mark.filterwarnings("ignore")  # Keras warns of numpy
@pytest.mark.parametrize(
    ("section", "number", "name", "inputs"),
    [
        ("Keras 3", 0, "serving_default", "images"),
        ("Keras 3", 1, "predict_images", "images"),
        ("Models without signatures", 0, "serving_default", "x"),
    ],
)
def test_what_the_lines_export(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    section: str,
    number: int,
    name: str,
    inputs: str,
) -> None:
    need.module("tensorflow")
    import tensorflow as tf

    monkeypatch.chdir(tmp_path)
    layers = [tf.keras.Input((4,), name="images"), tf.keras.layers.Dense(3)]
    model = tf.keras.Sequential(layers)
    model.save("model.keras")
    exec(blocks(section)[number], {"model": model})
    found = read_model("saved_model")
    assert isinstance(found, SavedModelSummary)
    assert list(found.meta_graphs[0].signatures[name].inputs) == [inputs]
