"""gRPC: the services of TensorFlow Serving, on the engine's own HTTP/2 (`http2/`)."""
