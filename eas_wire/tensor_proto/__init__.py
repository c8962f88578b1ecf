"""
The `TensorProto` of TensorFlow, read and written without TensorFlow.

It is what the services of TensorFlow Serving carry; `eas_wire.decode` and `eas_wire.encode` are for
the messages of `proto/predict.proto`.
"""
