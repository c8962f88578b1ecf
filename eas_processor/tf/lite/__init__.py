"""Read and run TensorFlow Lite models."""
