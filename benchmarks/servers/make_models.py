"""Write the models of the benchmark: `make_models.py DIRECTORY [--resnet] [--small] [--image]`."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np
import tensorflow as tf


class Mlp(tf.Module):
    """A 784-`width`-10 model with softmax and random weights."""

    def __init__(self, width=256):
        super().__init__()
        random = np.random.default_rng(0)
        self.hidden = tf.Variable(random.normal(0, 0.05, (784, width)).astype(np.float32))
        self.output = tf.Variable(random.normal(0, 0.05, (width, 10)).astype(np.float32))

    @tf.function(input_signature=[tf.TensorSpec([None, 784], tf.float32, name="images")])
    def serve(self, images):
        """Return the scores of each row."""
        return {"scores": tf.nn.softmax(tf.nn.relu(images @ self.hidden) @ self.output)}


class Channels(tf.Module):
    """The mean of each channel of an image. Nearly all of a call is the transport of numbers."""

    @tf.function(input_signature=[tf.TensorSpec([None, 224, 224, 3], tf.float32, name="images")])
    def serve(self, images):
        """Return the means of each image."""
        return {"means": tf.reduce_mean(images, axis=[1, 2])}


def save(model, path):
    """Write a SavedModel."""
    tf.saved_model.save(model, path, signatures={"serving_default": model.serve})


def save_resnet(path):
    """Write a ResNet-50 with random weights, inputs of 224 x 224 x 3 and 1000 outputs."""
    net = tf.keras.applications.ResNet50(weights=None)
    spec = tf.TensorSpec([None, 224, 224, 3], tf.float32, name="images")
    # tf.saved_model.save stores the variables of Keras 3 where sessions and TensorFlow Serving do
    # not find them.
    archive = tf.keras.export.ExportArchive()
    archive.track(net)
    archive.add_endpoint(
        "serve",
        lambda images: {"scores": net(images, training=False)},
        input_signature=[spec],
    )
    archive.write_out(path, verbose=False)


def main():
    """Write missing models, and the answers to known rows."""
    directory = sys.argv[1]
    mlp = os.path.join(directory, "mlp")
    if not os.path.exists(mlp):
        save(Mlp(), mlp)
    if "--small" in sys.argv:
        save(Mlp(width=128), os.path.join(directory, "small"))  # 0.4 MB
    if "--image" in sys.argv:
        save(Channels(), os.path.join(directory, "channels"))
    if "--resnet" in sys.argv and not os.path.exists(os.path.join(directory, "resnet")):
        save_resnet(os.path.join(directory, "resnet"))
    from tf_model import load

    images = np.random.default_rng(1).random((32, 784), dtype=np.float32)
    np.savez(os.path.join(directory, "rows.npz"), images=images, scores=load(mlp)(images))


main()
