"""The model as each peer runs it: a session's callable on the caller's thread."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import tensorflow as tf
from tensorflow.core.protobuf import config_pb2

v1 = tf.compat.v1


def load(directory=None, threads=1):
    """Return a function from array to array for a SavedModel with one input and one output."""
    config = v1.ConfigProto(
        intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads
    )
    session = v1.Session(graph=tf.Graph(), config=config)
    with session.graph.as_default():
        path = directory or os.environ["BENCH_MODEL"]
        meta = v1.saved_model.loader.load(session, ["serve"], path)
    signature = meta.signature_def["serving_default"]
    options = config_pb2.CallableOptions(
        feed=[next(iter(signature.inputs.values())).name],
        fetch=[next(iter(signature.outputs.values())).name],
        run_options=config_pb2.RunOptions(inter_op_thread_pool=-1),
    )
    run = session._make_callable_from_options(options)
    return lambda images: run(images)[0]


def load_signature():
    """Return the same for the signature's function, as TensorFlow 2 documents it."""
    threading = tf.config.threading
    threading.set_intra_op_parallelism_threads(1)
    threading.set_inter_op_parallelism_threads(1)
    serve = tf.saved_model.load(os.environ["BENCH_MODEL"]).signatures["serving_default"]
    (name,) = serve.structured_input_signature[1]
    return lambda images: next(iter(serve(**{name: tf.constant(images)}).values())).numpy()
