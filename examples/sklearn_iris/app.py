"""A processor that runs a scikit-learn model with numpy arrays."""

import joblib

from eas_processor.hooks import arrays


def initialize(model_entry, model_config):
    return joblib.load(model_entry)


@arrays(
    inputs={"features": ("float32", [-1, 4])},
    outputs={"species": ("int64", [-1])},
    by_row=True,
)
def process(model, features):
    return model.predict(features)
