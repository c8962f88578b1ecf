"""
Read and write TensorFlow's `TensorProto` without TensorFlow.

The requests of TensorFlow Serving carry this message. `eas_wire.decode` and `eas_wire.encode`
handle the messages of `proto/predict.proto`.
"""
