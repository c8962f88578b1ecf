"""Messages of TensorFlow Serving's gRPC services, read and written without TensorFlow."""
