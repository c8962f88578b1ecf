"""JSON as TensorFlow Serving's REST routes have it: predict, classify and regress."""
