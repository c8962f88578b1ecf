"""Models of TensorFlow Lite: their files, and how they run."""
