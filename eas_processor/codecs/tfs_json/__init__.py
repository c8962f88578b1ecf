"""The JSON codecs of TensorFlow Serving's REST routes: predict, classify and regress."""
