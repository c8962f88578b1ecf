"""grpcio's asyncio server with TensorFlow Serving's Predict. `grpc_aio_server.py PORT`."""

import asyncio
import sys

import grpc
import tensorflow as tf
from predict_messages import PredictRequest, PredictResponse
from tensorflow.core.framework import tensor_pb2, types_pb2
from tf_model import load

SERVICE = "tensorflow.serving.PredictionService"


async def main():
    """Serve until the process is ended."""
    model = load()

    async def predict(request, context):
        scores = model(tf.make_ndarray(request.inputs["images"]))
        response = PredictResponse(model_spec=request.model_spec)
        # This is quicker than make_tensor_proto, which inspects the type of each value.
        response.outputs["scores"].CopyFrom(
            tensor_pb2.TensorProto(
                dtype=types_pb2.DT_FLOAT,
                tensor_shape=tf.TensorShape(scores.shape).as_proto(),
                tensor_content=scores.tobytes(),
            )
        )
        return response

    method = grpc.unary_unary_rpc_method_handler(
        predict, PredictRequest.FromString, PredictResponse.SerializeToString
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {"Predict": method}),)
    )
    server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
