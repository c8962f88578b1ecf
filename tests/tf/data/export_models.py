"""
Writes models/EXPORTER_KIND, one small network as each TensorFlow exports it.

Run once in each exporter's environment, which needs Keras as well: `python export_models.py 2.21`.
The network is the one in `network.py`, which has the same weights in every TensorFlow.
"""

import os
import shutil
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf
from network import BIASES, WEIGHTS

v1 = getattr(getattr(tf, "compat", None), "v1", tf)


def forward(images, variables):
    hidden = tf.nn.relu(tf.matmul(images, variables[0]) + variables[1])
    return tf.nn.softmax(tf.matmul(hidden, variables[2]) + variables[3], name="scores")


def values():
    return [WEIGHTS[0], BIASES[0], WEIGHTS[1], BIASES[1]]


def graph_of(session, use_resource):
    images = v1.placeholder(tf.float32, [None, 8], name="images")
    variables = [
        v1.get_variable(
            "variable_%d" % number,
            initializer=v1.constant_initializer(value),
            shape=value.shape,
            use_resource=use_resource,
        )
        for number, value in enumerate(values())
    ]
    scores = forward(images, variables)
    session.run(v1.global_variables_initializer())
    return images, scores


def write_v1(path, use_resource):
    with tf.Graph().as_default(), v1.Session() as session:
        images, scores = graph_of(session, use_resource)
        info = v1.saved_model.utils.build_tensor_info
        signature = v1.saved_model.signature_def_utils.build_signature_def(
            {"images": info(images)}, {"scores": info(scores)}, "tensorflow/serving/predict"
        )
        builder = v1.saved_model.builder.SavedModelBuilder(path)
        builder.add_meta_graph_and_variables(session, ["serve"], {"predict_images": signature})
        builder.save()


def write_frozen(path):
    os.mkdir(path)
    with tf.Graph().as_default() as graph, v1.Session() as session:
        graph_of(session, use_resource=False)
        frozen = v1.graph_util.convert_variables_to_constants(
            session, graph.as_graph_def(), ["scores"]
        )
    with open(os.path.join(path, "network.pb"), "wb") as file:
        file.write(frozen.SerializeToString())


def write_module(path):
    class Network(tf.Module):
        def __init__(self):
            super().__init__()
            self.variables_used = [tf.Variable(value) for value in values()]

        @tf.function(input_signature=[tf.TensorSpec([None, 8], tf.float32, name="images")])
        def predict_images(self, images):
            return {"scores": forward(images, self.variables_used)}

    network = Network()
    tf.saved_model.save(network, path, signatures={"predict_images": network.predict_images})


def write_keras(path):
    dense = tf.keras.layers.Dense
    layers = [dense(16, activation="relu"), dense(3, activation="softmax", name="scores")]
    model = tf.keras.Sequential([tf.keras.Input((8,), name="images")] + layers)
    model.set_weights(values())
    if hasattr(model, "export"):
        model.export(path)
    else:
        model.save(path, save_format="tf", include_optimizer=False)


def main(exporter):
    writers = {
        "ref": lambda path: write_v1(path, use_resource=False),
        "resource": lambda path: write_v1(path, use_resource=True),
        "frozen": write_frozen,
    }
    if int(exporter.split(".")[0]) > 1:
        writers.update({"module": write_module, "keras": write_keras})
    assert tf.__version__.startswith(exporter + "."), tf.__version__
    for kind, write in writers.items():
        path = os.path.join("models", "%s_%s" % (exporter, kind))
        shutil.rmtree(path, ignore_errors=True)
        write(path)
        for name in ("assets", "keras_metadata.pb", "fingerprint.pb"):
            unused = os.path.join(path, name)
            if os.path.isdir(unused):
                os.rmdir(unused)
            elif os.path.exists(unused):
                os.remove(unused)


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    if not os.path.isdir("models"):
        os.mkdir("models")
    main(sys.argv[1])
