"""Make the model: embeddings of ids, the mean of a history, and a small network on both."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

HERE = Path(__file__).parent
USERS, ITEMS, CONTEXTS, WIDTH = 1000, 5000, 24, 16


class Recommender(tf.Module):
    """Scores items for users. The weights are random, since this example shows only serving."""

    def __init__(self) -> None:
        super().__init__()
        draw = tf.random.Generator.from_seed(7)
        self.users = tf.Variable(draw.normal([USERS, WIDTH]), name="users")
        self.items = tf.Variable(draw.normal([ITEMS, WIDTH]), name="items")
        self.hours = tf.Variable(draw.normal([CONTEXTS, WIDTH]), name="hours")
        self.hidden = tf.Variable(draw.normal([4 * WIDTH + 1, 32], stddev=0.1), name="hidden")
        self.out = tf.Variable(draw.normal([32, 1], stddev=0.1), name="out")

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.int64, "user_id"),
            tf.TensorSpec([None], tf.int64, "item_id"),
            tf.TensorSpec([None, None], tf.int64, "history"),
            tf.TensorSpec([None], tf.int32, "hour"),
            tf.TensorSpec([None], tf.float32, "price"),
        ]
    )
    def __call__(self, user_id, item_id, history, hour, price):
        """Return a score from 0 to 1 for each row."""
        is_item = tf.cast(history > 0, tf.float32)[..., tf.newaxis]
        seen = tf.reduce_sum(tf.gather(self.items, history) * is_item, axis=1)
        features = tf.concat(
            [
                tf.gather(self.users, user_id % USERS),
                tf.gather(self.items, item_id % ITEMS),
                seen / tf.maximum(tf.reduce_sum(is_item, axis=1), 1.0),
                tf.gather(self.hours, hour % CONTEXTS),
                tf.math.log1p(tf.maximum(price, 0.0))[:, tf.newaxis],
            ],
            axis=1,
        )
        scores = tf.sigmoid(tf.nn.relu(features @ self.hidden) @ self.out)
        return {"score": tf.squeeze(scores, axis=1)}


def main() -> None:
    """Write the SavedModel."""
    model = Recommender()
    tf.saved_model.save(model, str(HERE / "build" / "model"), signatures=model.__call__)


if __name__ == "__main__":
    main()
