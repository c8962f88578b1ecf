"""The codecs of TensorFlow Serving's gRPC services, without TensorFlow."""
