"""Encodings of requests and answers: bytes to named arrays and back, without TensorFlow."""
