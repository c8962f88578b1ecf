"""The TensorFlow processor, which runs in workers."""
