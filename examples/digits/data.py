"""The 1,797 handwritten digits of scikit-learn, resized to 28 x 28 pixels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.ndimage import zoom
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


class Digits(NamedTuple):
    """Images are rows of 784 floats from 0 to 1; labels are the digits 0 to 9."""

    train_images: np.ndarray[Any, Any]
    test_images: np.ndarray[Any, Any]
    train_labels: np.ndarray[Any, Any]
    test_labels: np.ndarray[Any, Any]


def load() -> Digits:
    """Return the digits; a fifth of them is for testing."""
    raw = load_digits()
    images = np.stack([zoom(image, 28 / 8, order=1) for image in raw.images]) / 16.0
    rows = images.reshape(-1, 784).astype(np.float32)
    return Digits(
        *train_test_split(rows, raw.target, test_size=0.2, random_state=0, stratify=raw.target)
    )
