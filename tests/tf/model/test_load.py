import json
import os
import shutil

import numpy as np
import pytest
from fixtures import need

need.module("tensorflow")

from google.protobuf import text_format
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from eas_processor.tf import hooks
from eas_processor.tf.errors import BadRequest, ModelError
from eas_processor.tf.runtime import tf, v1

IMAGES = np.arange(12, dtype=np.float32).reshape(3, 4) / 10

ADVICE = (
    "if a library defines it, name that in model_config.op_libraries: a shared object, or a "
    "package, which `eascmd build NAME --with PACKAGE` adds to a build"
)


def double():
    x = v1.placeholder(tf.float32, [None], name="x")
    return {"serving_default": ({"x": x}, {"y": tf.multiply(x, 2.0, name="y")})}


def with_variable():
    x = v1.placeholder(tf.float32, [None], name="x")
    weight = v1.get_variable("weight", [], initializer=v1.ones_initializer())
    return {"serving_default": ({"x": x}, {"y": x * weight})}


def run_directly(path, feed, fetch):
    """Return the values of a plain TensorFlow session, without this project."""
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        if os.path.isdir(path):
            v1.saved_model.loader.load(session, ["serve"], path)
        else:
            definition = v1.GraphDef()
            with open(path, "rb") as file:
                definition.ParseFromString(file.read())
            v1.import_graph_def(definition, name="")
        return session.run(fetch, feed)


def refusal(path, config=""):
    with pytest.raises(ModelError) as caught:
        hooks.initialize(str(path), config)
    return str(caught.value)


def test_a_saved_model_of_tensorflow_1(data, predict):
    path = data + "/tf1_saved_model"
    model = hooks.initialize(path, "")
    scores = predict(model, {"images": IMAGES}, ["scores"], "predict_images")["scores"]
    expected = run_directly(path, {"images:0": IMAGES}, "scores:0")
    assert np.abs(scores - expected).max() <= 1e-6
    words = np.array([b"dog", b"cow", b"cat"], dtype=object)
    assert predict(model, {"words": words}, (), "find_words")["ids"].tolist() == [1, -1, 0]


def test_a_frozen_graph_of_tensorflow_1(data, predict):
    path = data + "/tf1_frozen.pb"
    scores = predict(hooks.initialize(path, ""), {"images": IMAGES}, ["scores"])["scores"]
    expected = run_directly(path, {"images:0": IMAGES}, "scores:0")
    assert np.abs(scores - expected).max() <= 1e-6


@pytest.mark.skipif(not hasattr(tf, "function"), reason="TensorFlow 1.12 has no tf.function")
def test_a_saved_model_of_tensorflow_2(tmp_path, predict):
    class Scaler(tf.Module):
        def __init__(self):
            self.factor = tf.Variable([[1.0, 2.0]])

        @tf.function(input_signature=[tf.TensorSpec([None, 3, 2], tf.float32, name="x")])
        def scale(self, x):
            return {"scaled": x * self.factor, "total": tf.reduce_sum(x), "rows": tf.shape(x)[0]}

    if not tf.executing_eagerly():
        pytest.skip("TensorFlow 1 exports this only with eager execution on")
    scaler = Scaler()
    tf.saved_model.save(scaler, str(tmp_path), signatures={"scale": scaler.scale})
    model = hooks.initialize(str(tmp_path), "")
    assert model.default_signature.name == "scale"
    outputs = predict(model, {"x": np.ones((2, 3, 2), np.float32)})
    assert outputs["scaled"].tolist() == [[[1, 2]] * 3] * 2
    assert outputs["total"].item() == 12
    assert outputs["rows"].item() == 2
    graph = model._runner._session.graph
    for op in graph.get_tensor_by_name("saver_filename:0").consumers():
        with pytest.raises(BadRequest, match="depends on the op 'saver_filename'"):
            predict(model, {}, [op.outputs[0].name])


def test_a_saved_model_as_text(save_model, predict):
    path = save_model(double)
    message = SavedModel()
    with open(path + "/saved_model.pb", "rb") as file:
        message.ParseFromString(file.read())
    with open(path + "/saved_model.pbtxt", "w") as file:
        file.write(text_format.MessageToString(message))
    os.remove(path + "/saved_model.pb")
    assert predict(hooks.initialize(path, ""), {"x": IMAGES[0]})["y"].shape == (4,)


def table_from(file):
    if not hasattr(v1, "lookup"):
        return tf.contrib.lookup.index_table_from_file(file, default_value=-1)
    index = v1.lookup.TextFileIndex
    initializer = v1.lookup.TextFileInitializer(
        file, tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER
    )
    return v1.lookup.StaticHashTable(initializer, -1)


def test_a_main_op_and_assets_moved_elsewhere(save_model, predict, tmp_path):
    vocabulary = tmp_path / "words.txt"
    vocabulary.write_text("a\nb\n")

    def lookup():
        asset = tf.constant(str(vocabulary))
        v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, asset)
        table = table_from(asset)
        words = v1.placeholder(tf.string, [None], name="words")
        lookup.assets = v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS)
        return {"serving_default": ({"words": words}, {"ids": table.lookup(words)})}

    path = save_model(lookup, assets_collection=_Later(lambda: lookup.assets))
    vocabulary.unlink()
    moved = str(tmp_path / "moved")
    shutil.move(path, moved)
    words = np.array([b"b", b"x"], dtype=object)
    assert predict(hooks.initialize(moved, ""), {"words": words})["ids"].tolist() == [1, -1]


class _Later:
    """A collection that is made after the graph."""

    def __init__(self, make):
        self._make = make

    def __iter__(self):
        return iter(self._make())


@pytest.mark.parametrize("tags", [["serve", "cpu"], ["train"], []])
def test_the_only_graph_is_taken_when_no_tags_were_asked_for(save_model, predict, tags):
    """A module of TensorFlow Hub has the empty tag set."""
    path = save_model(double, tags=tags)
    for config in ("", json.dumps({"tags": tags}), '{"tags": ""}'):
        model = hooks.initialize(path, config)
        assert predict(model, {"x": IMAGES[0]})["y"].tolist() == (IMAGES[0] * 2).tolist()


def test_tags_choose_the_graph(save_model):
    path = save_model(double, tags=["serve", "cpu"])
    hooks.initialize(path, '{"tags": "cpu, serve"}')
    end = "; choose with model_config.tags, where [] is the graph without tags"
    for config, asked in (('{"tags": "gpu"}', "the tags 'gpu'"), ('{"tags": []}', "no tags")):
        assert refusal(path, config) == (
            f"the model at {path} has no graph with {asked}, only the tags 'serve', 'cpu'" + end
        )


def test_a_saved_model_without_signatures_is_served_by_tensor_names(save_model, predict):
    def nameless():
        x = v1.placeholder(tf.float32, [None], name="x")
        tf.multiply(x, v1.get_variable("w", initializer=3.0), name="y")
        return {}

    model = hooks.initialize(save_model(nameless), "")
    assert predict(model, {"x": np.float32([1, 2])}, output_filter=["y"])["y"].tolist() == [3, 6]


def test_a_saved_model_without_anything_to_call_is_refused(tmp_path):
    """The model that `tf.saved_model.save(module)` writes without an input signature."""
    if not hasattr(tf, "Module") or not tf.__version__.startswith("2"):
        pytest.skip("TensorFlow 1 writes no such models")

    class Module(tf.Module):
        def __init__(self):
            super().__init__()
            self.w = tf.Variable(3.0)

        @tf.function
        def __call__(self, x):
            return x * self.w

    path = str(tmp_path / "m")
    tf.saved_model.save(Module(), path)
    said = refusal(path)
    assert said.startswith(f"the model at {path} cannot be called: it was saved without signatures")
    assert "signatures=call.get_concrete_function()" in said


def test_threads_reach_the_session(monkeypatch, save_model):
    made = []
    session = v1.Session
    monkeypatch.setattr(v1, "Session", lambda **options: made.append(options) or session(**options))
    config = '{"intra_op_parallelism_threads": 1, "inter_op_parallelism_threads": "2"}'
    hooks.initialize(save_model(double), config)
    assert made[-1]["config"].intra_op_parallelism_threads == 1
    assert made[-1]["config"].inter_op_parallelism_threads == 2


def test_signatures_are_logged_and_what_cannot_be_sent_is_a_warning(save_model, caplog):
    def ids():
        x = v1.placeholder(tf.float32, [None], name="x")
        return {"serving_default": ({"x": x}, {"ids": tf.cast(x, tf.uint32)})}

    caplog.set_level("INFO")
    hooks.initialize(save_model(ids), "")
    assert "signature 'serving_default': input 'x' DT_FLOAT [-1]" in caplog.text
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "a response of EAS cannot carry output 'ids' DT_UINT32 [-1]" in warning.getMessage()


def test_missing_variables(save_model):
    path = save_model(with_variable)
    shutil.rmtree(os.path.join(path, "variables"))
    assert refusal(path) == (
        f"cannot load the model at {path}: {path}/variables/variables.index is missing"
    )


def test_what_is_wrong_is_told_also_where_the_variables_are_missing(save_model):
    path = save_model(with_variable, edit=lambda meta: _rename(meta.graph_def, "mul"))
    shutil.rmtree(os.path.join(path, "variables"))
    assert "uses the op 'MultiplyQuickly'" in refusal(path)


def _rename(definition, name):
    next(node for node in definition.node if node.name == name).op = "MultiplyQuickly"


def test_a_guess_of_tensorflow_at_the_checkpoint_is_not_told(save_model, monkeypatch):
    path = save_model(with_variable)
    guess = (
        "Restoring from checkpoint failed. This is most likely due to a mismatch between the "
        "current graph and the graph from the checkpoint. Please ensure that you have not altered "
        "the graph expected based on the checkpoint. Original error:\n\n"
    )
    error = tf.errors.InvalidArgumentError(
        None, None, guess + "Cannot assign a device for operation y: it has none\n\t [[y]]"
    )
    monkeypatch.setattr(v1.train.Saver, "restore", lambda *_: _raise(error))
    assert refusal(path) == (
        f"cannot load the model at {path}: Cannot assign a device for operation y: it has none"
    )


def _raise(error):
    raise error


def test_an_asset_that_is_missing_is_named(save_model, tmp_path):
    vocabulary = tmp_path / "words.txt"
    vocabulary.write_text("a\nb\n")

    def lookup():
        asset = tf.constant(str(vocabulary))
        v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, asset)
        words = v1.placeholder(tf.string, [None], name="words")
        ids = table_from(asset).lookup(words)
        lookup.assets = v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS)
        return {"serving_default": ({"words": words}, {"ids": ids})}

    path = save_model(lookup, assets_collection=_Later(lambda: lookup.assets))
    os.remove(os.path.join(path, "assets", "words.txt"))
    sentence = refusal(path)
    assert sentence.startswith(f"cannot load the model at {path}: ")
    assert f"{path}/assets/words.txt; No such file or directory" in sentence
    assert "\n" not in sentence and "most likely" not in sentence


def test_variables_that_are_cut_off(save_model):
    path = save_model(with_variable)
    index = os.path.join(path, "variables", "variables.index")
    with open(index, "r+b") as file:
        file.truncate(20)
    sentence = refusal(path)
    assert sentence.startswith(f"cannot load the model at {path}: ")
    assert "\n" not in sentence
    assert "{{" not in sentence


def unknown_op(definition):
    next(node for node in definition.node if node.name == "y").op = "MultiplyQuickly"


def test_a_saved_model_of_a_newer_tensorflow(save_model):
    def edit(meta):
        unknown_op(meta.graph_def)
        meta.meta_info_def.tensorflow_version = "9.1.0"
        meta.meta_info_def.stripped_op_list.ClearField("op")

    path = save_model(double, edit=edit)
    assert refusal(path) == (
        f"cannot load the model at {path}: it was written by TensorFlow 9.1.0 and uses the op "
        f"'MultiplyQuickly', which TensorFlow {tf.__version__} does not have; it is newer than "
        "every processor; the newest is tensorflow_cpu_2.21; " + ADVICE
    )


def test_a_custom_op(save_model):
    path = save_model(double, edit=lambda meta: unknown_op(meta.graph_def))
    sentence = refusal(path)
    assert f"written by TensorFlow {tf.__version__} and uses the op 'MultiplyQuickly'" in sentence
    assert sentence.endswith(f"does not have; {ADVICE}")


def test_a_frozen_graph_of_a_newer_tensorflow(save_graph):
    def edit(definition):
        unknown_op(definition)
        definition.versions.producer = 99999

    path = save_graph(double, edit=edit)
    sentence = refusal(path)
    assert f"cannot load the model at {path}: it was written by a TensorFlow of graph" in sentence
    assert "version 99999 (here " in sentence
    assert sentence.endswith(f"every processor; the newest is tensorflow_cpu_2.21; {ADVICE}")


@pytest.mark.parametrize(
    "message, what, advice",
    [
        ("Op type not registered 'Fast' in binary running on host.", "the op 'Fast'", ADVICE),
        ("No Op named Fast in defined operations.", "the op 'Fast'", ADVICE),
        (
            "NodeDef mentions attr 'grad_a' not in Op<name=MatMul; signature=a:T>; NodeDef: {{y}}",
            "the attribute 'grad_a' of the op 'MatMul'",
            "a custom op needs the library that defines it",
        ),
    ],
)
def test_what_a_tensorflow_says_of_a_newer_graph(monkeypatch, save_graph, message, what, advice):
    def refuse(definition, name):
        raise ValueError(message)

    monkeypatch.setattr(v1, "import_graph_def", refuse)
    path = save_graph(double, edit=lambda definition: definition.ClearField("versions"))
    assert refusal(path) == (
        f"cannot load the model at {path}: it uses {what}, which TensorFlow {tf.__version__} does "
        f"not have; {advice}"
    )


def test_a_graph_with_variables_is_not_frozen(save_graph):
    path = save_graph(with_variable)
    assert refusal(path).startswith(f"{path} is not frozen: it has the variable 'weight'")


@pytest.mark.parametrize(
    "content, sentence",
    [
        (b"", "it holds no node"),
        (b"\x0a\x7fcut", "its 5 bytes cannot be parsed, so it is incomplete or of another kind"),
    ],
)
def test_a_corrupt_frozen_graph(tmp_path, content, sentence):
    path = tmp_path / "net.pb"
    path.write_bytes(content)
    assert refusal(path) == f"{path} is not a frozen graph: {sentence}"
