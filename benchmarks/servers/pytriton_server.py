"""pytriton: v2 with the binary extension, raw float32 in and out."""

import os
import sys

import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig
from tf_model import load

BATCH = int(os.environ["BENCH_BATCH"])


def main():
    """Serve on the port in the first argument. gRPC and metrics use the next two ports."""
    port = int(sys.argv[1])
    model = load()

    @batch
    def infer(images):
        return {"scores": model(images)}

    config = TritonConfig(
        http_port=port,
        grpc_port=int(sys.argv[2]),
        metrics_port=int(sys.argv[3]),
        http_address="127.0.0.1",
        grpc_address="127.0.0.1",
        allow_metrics=False,
    )
    batcher = DynamicBatcher(max_queue_delay_microseconds=0)
    settings = ModelConfig(max_batch_size=64, **({"batcher": batcher} if BATCH > 1 else {}))
    with Triton(config=config) as triton:
        triton.bind(
            model_name="mlp",
            infer_func=infer,
            inputs=[Tensor(name="images", dtype=np.float32, shape=(784,))],
            outputs=[Tensor(name="scores", dtype=np.float32, shape=(10,))],
            config=settings,
        )
        triton.serve()


if __name__ == "__main__":
    main()
