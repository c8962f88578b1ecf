"""
Writes the two models beside this file; run with TensorFlow 1.15: `python make_tf1_models.py`.

`tf1_saved_model` has what only SavedModels of TensorFlow 1 have: reference variables, and a table
that the legacy init op fills from an asset. `tf1_frozen.pb` is the same small network with its
variables as constants.
"""

import os
import shutil

import tensorflow as tf


def network(images):
    weights = tf.get_variable("weights", [4, 3], initializer=tf.random_normal_initializer(seed=1))
    bias = tf.get_variable("bias", [3], initializer=tf.random_normal_initializer(seed=2))
    return tf.nn.softmax(tf.matmul(images, weights) + bias, name="scores")


def signature(inputs, outputs):
    info = tf.saved_model.utils.build_tensor_info
    return tf.saved_model.signature_def_utils.build_signature_def(
        {alias: info(tensor) for alias, tensor in inputs.items()},
        {alias: info(tensor) for alias, tensor in outputs.items()},
        "tensorflow/serving/predict",
    )


def write_saved_model(path):
    # Relative, since the graph keeps the path: the files should not depend on where they were made.
    vocabulary = "vocabulary.txt"
    with open(vocabulary, "w") as file:
        file.write("cat\ndog\nbird\n")
    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.placeholder(tf.float32, [None, 4], name="images")
        scores = network(images)
        words = tf.placeholder(tf.string, [None], name="words")
        asset = tf.constant(vocabulary)
        tf.add_to_collection(tf.GraphKeys.ASSET_FILEPATHS, asset)
        table = tf.contrib.lookup.index_table_from_file(asset, default_value=-1)
        ids = table.lookup(words, name="ids")
        session.run(tf.global_variables_initializer())
        builder = tf.saved_model.builder.SavedModelBuilder(path)
        builder.add_meta_graph_and_variables(
            session,
            [tf.saved_model.tag_constants.SERVING],
            {
                "predict_images": signature({"images": images}, {"scores": scores}),
                "find_words": signature({"words": words}, {"ids": ids}),
            },
            assets_collection=tf.get_collection(tf.GraphKeys.ASSET_FILEPATHS),
            legacy_init_op=tf.tables_initializer(),
        )
        builder.save()
    os.remove(vocabulary)


def write_frozen_graph(path):
    with tf.Graph().as_default() as graph, tf.Session() as session:
        images = tf.placeholder(tf.float32, [None, 4], name="images")
        network(images)
        session.run(tf.global_variables_initializer())
        frozen = tf.graph_util.convert_variables_to_constants(
            session, graph.as_graph_def(), ["scores"]
        )
    with open(path, "wb") as file:
        file.write(frozen.SerializeToString())


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    shutil.rmtree("tf1_saved_model", ignore_errors=True)
    write_saved_model("tf1_saved_model")
    write_frozen_graph("tf1_frozen.pb")
