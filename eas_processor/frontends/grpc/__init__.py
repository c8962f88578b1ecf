"""gRPC: services of TensorFlow Serving, over an HTTP/2 listener of our own (`http2/`)."""
