"""
Make the model: a small convolutional network that recognises circles, squares and triangles.

It writes to examples/image_classifier/build: `model`, a SavedModel that takes the bytes of JPEG and
PNG files and decodes them in the graph, and the pictures `circle.png`, `square.png` and
`triangle.jpg`.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

BUILD = Path(__file__).parent / "build"
LABELS = ("circle", "square", "triangle")
SIDE = 32


def draw(label: int, draws: np.random.Generator, side: int = SIDE) -> np.ndarray:
    """Return a picture of one shape, uint8 of `side` x `side` x 3."""
    x_middle, y_middle = draws.uniform(-0.25, 0.25, 2)
    radius = draws.uniform(0.4, 0.7)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    x, y = x - x_middle, y - y_middle
    inside = (
        np.hypot(x, y) < radius,
        np.maximum(abs(x), abs(y)) < radius,
        (y < radius) & (2 * abs(x) < y + radius),
    )[label]
    shape, ground = draws.permutation([draws.uniform(0, 90, 3), draws.uniform(150, 255, 3)])
    noise = draws.normal(0, 5, (side, side, 3))
    picture = np.where(inside[..., np.newaxis], shape, ground) + noise
    return np.clip(picture, 0, 255).astype(np.uint8)


def train(draws: np.random.Generator) -> keras.Model:
    """Return a network that takes pictures with values from 0 to 1 and returns probabilities."""
    keras.utils.set_random_seed(0)
    labels = np.arange(3000) % len(LABELS)
    pictures = np.stack([draw(label, draws) for label in labels]).astype(np.float32) / 255
    network = keras.Sequential(
        [
            keras.Input([SIDE, SIDE, 3]),
            keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
            keras.layers.Conv2D(16, 3, strides=2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(len(LABELS), activation="softmax"),
        ]
    )
    network.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    network.fit(pictures, labels, batch_size=32, epochs=10, verbose=0)
    return network


def decoded(file: tf.Tensor) -> tf.Tensor:
    """Decode the bytes of a file to float32 of SIDE x SIDE x 3, with values from 0 to 1."""
    # A GIF would get a dimension for its frames; without animations its first frame is used.
    picture = tf.io.decode_image(file, channels=3, expand_animations=False)
    return tf.image.resize(picture, [SIDE, SIDE]) / 255.0


def export(network: keras.Model, directory: Path) -> None:
    """Write a SavedModel that decodes files and passes the pictures to the network."""

    def classify(image):
        pictures = tf.map_fn(
            decoded, image, fn_output_signature=tf.TensorSpec([SIDE, SIDE, 3], tf.float32)
        )
        scores = network(pictures)
        return {"label": tf.gather([*LABELS], tf.argmax(scores, axis=1)), "scores": scores}

    # tf.saved_model.save would leave out the variables of a Keras 3 network.
    archive = keras.export.ExportArchive()
    archive.track(network)
    signature = [tf.TensorSpec([None], tf.string, "image")]
    archive.add_endpoint("serving_default", classify, input_signature=signature)
    archive.write_out(str(directory), verbose=False)


def main() -> None:
    """Train, write the SavedModel, and draw one picture of each shape."""
    draws = np.random.default_rng(0)
    export(train(draws), BUILD / "model")
    for label, name in enumerate(("circle.png", "square.png", "triangle.jpg")):
        encode = tf.io.encode_png if name.endswith(".png") else tf.io.encode_jpeg
        tf.io.write_file(str(BUILD / name), encode(draw(label, draws, side=200)))


if __name__ == "__main__":
    main()
