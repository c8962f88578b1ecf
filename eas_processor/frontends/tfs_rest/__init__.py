"""The REST interface of TensorFlow Serving: predict, classify, regress, status and metadata."""
