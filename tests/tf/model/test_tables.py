"""Lookup tables of frozen graphs, which do not name an op that fills them."""

import numpy as np
import pytest
from fixtures import need

need.module("tensorflow")

from eas_processor.tf import hooks
from eas_processor.tf.errors import ModelError, RunError
from eas_processor.tf.runtime import tf, v1

WORDS = np.array([b"b", b"x"], dtype=object)
lookup = getattr(v1, "lookup", None) or tf.contrib.lookup


static_table = getattr(lookup, "StaticHashTable", None) or lookup.HashTable


def find(initializer):
    words = v1.placeholder(tf.string, [None], name="words")
    ids = tf.identity(static_table(initializer, -1).lookup(words), name="ids")
    return {"serving_default": ({"words": words}, {"ids": ids})}


def constants():
    ids = tf.constant([10, 11], tf.int64)
    return find(lookup.KeyValueTensorInitializer(tf.constant(["a", "b"]), ids))


def from_file(path):
    index = lookup.TextFileIndex
    return find(
        lookup.TextFileInitializer(
            str(path), tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER
        )
    )


def older_ops(definition):
    """Write the tables as TensorFlow did before 1.0: references to strings, not resources."""
    for node in definition.node:
        if node.op in ("HashTableV2", "LookupTableFindV2", "LookupTableImportV2"):
            node.op = node.op[:-2]
        if node.op in ("InitializeTableV2", "InitializeTableFromTextFileV2"):
            node.op = node.op[:-2]


def without(*ops):
    def edit(definition):
        kept = [node for node in definition.node if node.op not in ops]
        del definition.node[:]
        definition.node.extend(kept)

    return edit


def as_initialize(definition):
    """Fill the table with the op that TensorFlow 1.0 to 1.11 used."""
    for node in definition.node:
        if node.op == "LookupTableImportV2":
            node.op = "InitializeTableV2"
            node.attr["Tkey"].CopyFrom(node.attr["Tin"])
            node.attr["Tval"].CopyFrom(node.attr["Tout"])
            del node.attr["Tin"], node.attr["Tout"]


@pytest.mark.parametrize("edit", [None, older_ops, as_initialize])
def test_a_table_of_constants_is_filled_at_load(save_graph, predict, caplog, edit):
    caplog.set_level("INFO")
    model = hooks.initialize(save_graph(constants, edit=edit), "")
    assert "filled the tables 'hash_table" in caplog.text
    assert predict(model, {"words": WORDS}, ["ids"])["ids"].tolist() == [11, -1]


@pytest.mark.parametrize("where", ["", "beside", "assets"])
@pytest.mark.parametrize("edit", [None, older_ops])
def test_a_table_of_a_file_is_filled_at_load(save_graph, predict, tmp_path, where, edit):
    vocabulary = tmp_path / "words.txt"
    vocabulary.write_text("a\nb\n")
    (tmp_path / "model").mkdir()
    path = save_graph(lambda: from_file(vocabulary), "model/frozen.pb", edit=edit)
    if where == "beside":
        vocabulary.rename(tmp_path / "model" / "words.txt")
    elif where == "assets":
        (tmp_path / "model" / "assets").mkdir()
        vocabulary.rename(tmp_path / "model" / "assets" / "words.txt")
    assert predict(hooks.initialize(path, ""), {"words": WORDS}, ["ids"])["ids"].tolist() == [1, -1]


def other_output(build):
    def both():
        build()
        tf.multiply(v1.placeholder(tf.float32, [None], name="x"), 2.0, name="y")

    return both


@pytest.mark.parametrize(
    "case, says",
    [
        ("no file", "the file 'words.txt' that fills it does not exist; put it beside the model"),
        ("no initializer", "no op in the graph fills it, because freezing removes ops"),
        ("fed", "its initializer depends on the op 'keys' (Placeholder)"),
    ],
)
def test_a_table_that_stays_empty_is_the_models_fault(save_graph, predict, tmp_path, case, says):
    def fed():
        keys = v1.placeholder(tf.string, [2], name="keys")
        return find(lookup.KeyValueTensorInitializer(keys, tf.constant([10, 11], tf.int64)))

    build, edit = {
        "no file": (lambda: from_file(tmp_path / "words.txt"), None),
        "no initializer": (constants, without("LookupTableImportV2", "InitializeTableV2")),
        "fed": (fed, None),
    }[case]
    model = hooks.initialize(save_graph(other_output(build), edit=edit), "")
    assert predict(model, {"x": np.ones(2, np.float32)}, ["y"])["y"].tolist() == [2, 2]
    with pytest.raises(RunError) as caught:
        predict(model, {"words": WORDS}, ["ids"])
    assert "output 'ids': its table 'hash_table" in str(caught.value)
    assert says in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_graph_with_nothing_but_an_empty_table_is_refused(save_graph):
    path = save_graph(constants, edit=without("LookupTableImportV2", "InitializeTableV2"))
    with pytest.raises(ModelError, match="cannot be served: its table 'hash_table"):
        hooks.initialize(path, "")


def test_a_saved_model_that_names_no_op_to_fill_its_tables(load, predict, monkeypatch):
    # As of `SavedModelBuilder` without a `legacy_init_op`.
    monkeypatch.setattr(v1, "get_collection", lambda *_: [])
    assert predict(load(constants), {"words": WORDS})["ids"].tolist() == [11, -1]
