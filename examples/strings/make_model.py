"""Make the model: it looks up the words of a text in a table, and counts topics."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

HERE = Path(__file__).parent
TOPICS = ("business", "sport", "weather")
WORDS = {
    "business": ("shares", "market", "profit", "bank", "fell", "rose"),
    "sport": ("striker", "scored", "match", "team", "goal", "won"),
    "weather": ("rain", "sunny", "storm", "wind", "cold", "warm"),
}


class Topics(tf.Module):
    """Finds the topic that most words of a text belong to."""

    def __init__(self) -> None:
        super().__init__()
        pairs = [(word, TOPICS.index(topic)) for topic, words in WORDS.items() for word in words]
        words, numbers = zip(*pairs, strict=True)
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(list(words), list(numbers), value_dtype=tf.int64),
            default_value=len(TOPICS),
        )
        self.names = tf.constant([*TOPICS])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
    def __call__(self, text):
        """Return a topic for each text, and the share of its known words with this topic."""
        cleaned = tf.strings.regex_replace(tf.strings.lower(text), "[^a-z ]", " ")
        words = tf.strings.split(cleaned).to_tensor("")
        votes = tf.one_hot(self.table.lookup(words), len(TOPICS) + 1)
        counts = tf.reduce_sum(votes, axis=1)[:, : len(TOPICS)]
        total = tf.maximum(tf.reduce_sum(counts, axis=1), 1.0)
        return {
            "topic": tf.gather(self.names, tf.argmax(counts, axis=1)),
            "share": tf.reduce_max(counts, axis=1) / total,
        }


def main() -> None:
    """Write the SavedModel."""
    model = Topics()
    tf.saved_model.save(model, str(HERE / "build" / "model"), signatures=model.__call__)


if __name__ == "__main__":
    main()
