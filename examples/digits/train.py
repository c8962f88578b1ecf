"""
Train a small network on the digits and export it for serving.

It writes two files to examples/digits/build. `model.tar.gz` is a packed SavedModel whose signature
`predict_images` takes `images` [-1, 784] DT_FLOAT and returns `scores` [-1, 10] DT_FLOAT.
`warm_up.bin` is a request that the service answers before it takes traffic.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import tensorflow as tf
from data import Digits, load

from eas_prediction import TFRequest

BUILD = Path(__file__).parent / "build"


def train(digits: Digits) -> keras.Model:
    """Return a trained network with layers of 784, 128 and 10 units."""
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [keras.layers.Dense(128, activation="relu"), keras.layers.Dense(10, activation="softmax")]
    )
    network.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    network.fit(digits.train_images, digits.train_labels, batch_size=32, epochs=15, verbose=0)
    return network


class Classifier(tf.Module):
    """The trained network with the signature of the service."""

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self.parameters = [tf.Variable(each) for each in network.get_weights()]

    @tf.function(input_signature=[tf.TensorSpec([None, 784], tf.float32, name="images")])
    def predict_images(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the probability of each digit for each image."""
        weights_in, bias_in, weights_out, bias_out = self.parameters
        hidden = tf.nn.relu(images @ weights_in + bias_in)
        return {"scores": tf.nn.softmax(hidden @ weights_out + bias_out)}


def export(network: keras.Model, archive: Path) -> None:
    """Write the network as a SavedModel in an archive, without a top directory."""
    model = Classifier(network)
    with tempfile.TemporaryDirectory() as directory:
        tf.saved_model.save(model, directory, signatures={"predict_images": model.predict_images})
        with tarfile.open(archive, "w:gz") as packed:
            packed.add(directory, arcname=".")


def main() -> None:
    """Train, export, and write the warm-up file."""
    BUILD.mkdir(exist_ok=True)
    digits = load()
    export(train(digits), BUILD / "model.tar.gz")
    request = TFRequest("predict_images")
    request.add_feed("images", [1, 784], TFRequest.DT_FLOAT, digits.train_images[0])
    request.add_fetch("scores")
    (BUILD / "warm_up.bin").write_bytes(request.to_string())


if __name__ == "__main__":
    main()
