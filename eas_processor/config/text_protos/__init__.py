"""TensorFlow Serving's configuration files: protobuf messages as text."""
