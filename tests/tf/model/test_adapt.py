import os

import numpy as np
import pytest
from fixtures import need
from tf.data import network

need.module("tensorflow")

from eas_processor.tf import hooks
from eas_processor.tf.errors import ModelError
from eas_processor.tf.model import adapt as adapt_module
from eas_processor.tf.model.adapt import HARMLESS, RUNTIMES, adapt, oldest_build
from eas_processor.tf.runtime import ConfigProto, tf, v1

MODELS = os.path.join(os.path.dirname(network.__file__), "models")
NEWEST = tf.__version__.startswith("2.21.")
RUNNING = tuple(int(part) for part in tf.__version__.split(".")[:2])


@pytest.mark.parametrize("name", sorted(os.listdir(MODELS)))
def test_models_of_every_tensorflow_answer_alike(name, predict):
    model = hooks.initialize(os.path.join(MODELS, name), "")
    images = "images" if model.default_signature else "images:0"
    scores = predict(model, {images: network.IMAGES}, [] if images == "images" else ["scores:0"])
    np.testing.assert_allclose(next(iter(scores.values())), network.scores(network.IMAGES), 1e-6)


@pytest.mark.skipif(NEWEST, reason="nothing here is newer")
@pytest.mark.parametrize("kind", ["module", "keras"])
def test_what_was_removed_is_logged(caplog, kind):
    path = os.path.join(MODELS, "2.21_" + kind)
    hooks.initialize(path, "")
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "'DisableCopyOnRead'" in warning
    assert (
        "the model at %s, written by TensorFlow 2.21.0, does not need: it was loaded" % path
        in warning
    )


def test_a_model_that_loads_as_it_is_is_not_looked_at(monkeypatch, data, caplog):
    monkeypatch.setattr(adapt_module, "adapt", None)
    hooks.initialize(data + "/tf1_saved_model", "")
    assert "does not need" not in caplog.text


def node_of(op, **attrs):
    definition = v1.GraphDef()
    node = definition.node.add(name="n", op=op)
    for name, value in attrs.items():
        attr = node.attr[name]
        if isinstance(value, bool):
            attr.b = value
        elif isinstance(value, int):
            attr.i = value
        elif isinstance(value, bytes):
            attr.s = value
        else:
            attr.list.s.extend(value)
            attr.list.SetInParent()
    return definition, node


@pytest.fixture
def old_ops(monkeypatch):
    """Pretend that TensorFlow knows every op of the table, without any attribute."""
    bare = v1.NodeDef()  # it has a field `attr` too, and this one is empty
    monkeypatch.setattr(
        adapt_module,
        "find_op",
        lambda name: bare if name in HARMLESS or name == "NoOp" else None,
    )


def plain_config(**options):
    return ConfigProto(allow_soft_placement=True, device_count={"GPU": 0}, **options)


def lowered_precision():
    config = plain_config()
    config.graph_options.rewrite_options.constant_folding = 2
    return config


CASES = [
    ("AssignVariableOp", "validate_shape", False, True),
    ("BatchMatMulV2", "grad_x", False, True),
    ("Conv2D", "explicit_paddings", [], [b"1"]),
    ("GatherNd", "bad_indices_policy", b"", b"IGNORE"),
    ("GatherV2", "batch_dims", 0, 1),
    ("MatMul", "grad_a", False, True),
    ("MergeV2Checkpoints", "allow_missing_files", False, True),
    (
        "PartitionedCall",
        "config_proto",
        plain_config().SerializeToString(),
        lowered_precision().SerializeToString(),
    ),
    ("ResizeBilinear", "half_pixel_centers", False, True),
    ("StatefulPartitionedCall", "executor_type", b"", b"SINGLE_THREADED_EXECUTOR"),
    ("VarHandleOp", "allowed_devices", [], [b"/device:GPU:0"]),
]


@pytest.mark.parametrize("op, attr, harmless, harmful", CASES)
def test_an_attribute_goes_only_at_its_harmless_value(old_ops, op, attr, harmless, harmful):
    definition, node = node_of(op, **{attr: harmless})
    changes = adapt(definition)
    assert changes == (["the attribute '%s' of the op '%s'" % (attr, op)], [], [])
    assert not node.attr

    definition, node = node_of(op, **{attr: harmful})
    changes = adapt(definition)
    assert changes.removed == []
    (kept,) = changes.kept
    assert kept.startswith("the attribute '%s' of the op '%s' at the value " % (attr, op))
    assert list(node.attr) == [attr]


def test_an_attribute_that_is_not_on_the_list_stays(old_ops):
    definition, node = node_of("MatMul", precision=0, _private=1)
    assert adapt(definition).kept == [
        "the attribute 'precision' of the op 'MatMul' at the value i: 0"
    ]
    assert sorted(node.attr) == ["_private", "precision"]


def test_functions_are_adapted_too(old_ops):
    definition = v1.GraphDef()
    body = definition.library.function.add().node_def
    body.add(name="a", op="MatMul").attr["grad_a"].b = False
    body.add(name="b", op="MatMul").attr["grad_b"].b = True
    changes = adapt(definition)
    assert changes.removed == ["the attribute 'grad_a' of the op 'MatMul'"]
    assert changes.kept == []
    assert changes.kept_in_functions == [
        "the attribute 'grad_b' of the op 'MatMul' at the value b: true"
    ]


def test_disable_copy_on_read_becomes_a_noop_that_still_waits(old_ops):
    definition, node = node_of("DisableCopyOnRead", _class=b"x")
    node.input.extend(["variable", "^before"])
    assert adapt(definition).removed == ["the op 'DisableCopyOnRead'"]
    assert node.op == "NoOp"
    assert list(node.input) == ["^before"]


@pytest.mark.skipif(not NEWEST, reason="only the newest TensorFlow knows every attribute")
def test_what_is_harmless_is_the_newest_tensorflows_default():
    for op, attrs in HARMLESS.items():
        known = {attr.name: attr for attr in adapt_module.find_op(op).attr}
        for name, harmless in attrs.items():
            assert harmless(known[name].default_value), (op, name)


def harmful_graph(definition):
    definition.versions.producer = 2474
    node = next(node for node in definition.node if node.op == "MatMul")
    node.attr["grad_a"].b = True


@pytest.mark.skipif(RUNNING >= (2, 7), reason="TensorFlow 2.7 ignores what it does not know")
def test_a_frozen_graph_with_a_harmful_value_is_refused(save_graph):
    def product():
        x = v1.placeholder(tf.float32, [None, 2], name="x")
        tf.matmul(x, tf.ones([2, 2]), name="y")

    path = save_graph(product, edit=harmful_graph)
    with pytest.raises(ModelError) as caught:
        hooks.initialize(path, "")
    assert str(caught.value).startswith(
        "cannot load the model at %s: it was written by a TensorFlow of graph version 2474 (here "
        % path
    )
    assert str(caught.value).endswith(
        "uses the attribute 'grad_a' of the op 'MatMul' at the value b: true, which TensorFlow %s "
        "does not have; the oldest processor that is sure to load it is tensorflow_cpu_2.21"
        % tf.__version__
    )


@pytest.mark.skipif(RUNNING >= (2, 7), reason="TensorFlow 2.7 ignores what it does not know")
def test_a_saved_model_with_a_harmful_value_is_refused(save_model):
    def product():
        x = v1.placeholder(tf.float32, [None, 2], name="x")
        return {"serving_default": ({"x": x}, {"y": tf.matmul(x, tf.ones([2, 2]))})}

    def edit(meta):
        harmful_graph(meta.graph_def)
        meta.meta_info_def.tensorflow_version = "2.9.1"

    path = save_model(product, edit=edit)
    with pytest.raises(ModelError) as caught:
        hooks.initialize(path, "")
    assert str(caught.value) == (
        "cannot load the model at %s: it was written by TensorFlow 2.9.1 and uses the attribute "
        "'grad_a' of the op 'MatMul' at the value b: true, which TensorFlow %s does not have; the "
        "oldest processor that is sure to load it is tensorflow_cpu_2.21" % (path, tf.__version__)
    )


@pytest.mark.parametrize(
    "written_by, processor",
    [((1, 10), "1.12"), ((1, 15), "1.15"), ((2, 0), "2.3"), ((2, 4), "2.4"), ((2, 8), "2.21")],
)
def test_the_oldest_build_for_a_version(written_by, processor):
    sentence = "the oldest processor that is sure to load it is tensorflow_cpu_" + processor
    assert oldest_build(tensorflow=written_by) == sentence


def test_the_oldest_build_for_a_graph_version():
    assert oldest_build(producer=899).endswith("tensorflow_cpu_2.21")
    assert oldest_build(producer=898).endswith("tensorflow_cpu_2.7")
    assert oldest_build(producer=9999).startswith("it is newer than every processor")


def test_the_graph_version_of_this_runtime():
    version = tf.version.GRAPH_DEF_VERSION if hasattr(tf, "version") else tf.GRAPH_DEF_VERSION
    expected = dict(RUNTIMES).get("%d.%d" % RUNNING)
    assert expected in (None, version)
