"""Models for the tests, made by the TensorFlow that runs them."""

import os

import pytest

import eas_wire as wire

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")


@pytest.fixture
def data():
    """The directory of models that TensorFlow 1.15 wrote."""
    return DATA


@pytest.fixture
def save_model(tmp_path):
    """
    Write a SavedModel as TensorFlow 1 does and return its directory.

    `build()` is called inside a graph and returns {signature name: (inputs, outputs)}, tensors by
    alias.
    """
    from eas_processor.tf.runtime import tf, v1

    def save(build, name="model", tags=("serve",), edit=None, **options):
        path = str(tmp_path / name)
        with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
            signatures = {key: _signature(v1, *sides) for key, sides in build().items()}
            session.run(v1.global_variables_initializer())
            init = v1.tables_initializer() if v1.get_collection("table_initializer") else None
            builder = v1.saved_model.builder.SavedModelBuilder(path)
            builder.add_meta_graph_and_variables(
                session, list(tags), signatures, main_op=init, **options
            )
            builder.save()
        if edit:
            _edit(os.path.join(path, "saved_model.pb"), edit)
        return path

    return save


def _signature(v1, inputs, outputs):
    info = v1.saved_model.utils.build_tensor_info
    return v1.saved_model.signature_def_utils.build_signature_def(
        {alias: info(tensor) for alias, tensor in inputs.items()},
        {alias: info(tensor) for alias, tensor in outputs.items()},
        "tensorflow/serving/predict",
    )


def _edit(path, edit):
    from tensorflow.core.protobuf import saved_model_pb2

    message = saved_model_pb2.SavedModel()
    with open(path, "rb") as file:
        message.ParseFromString(file.read())
    edit(message.meta_graphs[0])
    with open(path, "wb") as file:
        file.write(message.SerializeToString())


@pytest.fixture
def save_graph(tmp_path):
    """Write the graph that `build()` makes as a frozen `.pb` file and return its path."""
    from eas_processor.tf.runtime import tf

    def save(build, name="frozen.pb", edit=None):
        with tf.Graph().as_default() as graph:
            build()
            definition = graph.as_graph_def()
        if edit:
            edit(definition)
        path = tmp_path / name
        path.write_bytes(definition.SerializeToString())
        return str(path)

    return save


@pytest.fixture
def load(save_model):
    """Load the SavedModel that `build()` makes, with the given `model_config`."""
    from eas_processor.tf import hooks

    def load_model(build, config="", **options):
        return hooks.initialize(save_model(build, **options), config)

    return load_model


@pytest.fixture
def predict():
    """Send one request to a model and return the arrays of the response by name."""
    from eas_processor.tf import hooks

    def call(model, inputs, output_filter=(), signature_name=""):
        body = hooks.process(model, request(inputs, output_filter, signature_name))
        return {name: tensor.array for name, tensor in wire.decode_response(body).items()}

    return call


def request(inputs, output_filter=(), signature_name=""):
    """Return a serialised request; an input is a Tensor, or an array of a dtype with one number."""
    tensors = {name: _tensor(value) for name, value in inputs.items()}
    return wire.encode_request(wire.Request(signature_name, tensors, list(output_filter)))


@pytest.fixture(name="request_of")
def fixture_request_of():
    """The function `request` above, which a test module cannot import."""
    return request


def _tensor(value):
    if isinstance(value, wire.Tensor):
        return value
    numbers = {
        "float32": wire.DT_FLOAT,
        "float64": wire.DT_DOUBLE,
        "int32": wire.DT_INT32,
        "int64": wire.DT_INT64,
        "object": wire.DT_STRING,
    }
    return wire.Tensor(numbers[str(value.dtype)], value)
