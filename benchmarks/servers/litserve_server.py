"""A LitServe server, with JSON, the only body that it takes except forms."""

import os
import sys

import litserve
import numpy as np
from tf_model import load

BATCH = int(os.environ["BENCH_BATCH"])


class Mlp(litserve.LitAPI):
    """The model, with LitServe's hooks."""

    def setup(self, device):
        self.model = load()

    def decode_request(self, request):
        return np.array(request["images"], np.float32)

    def batch(self, inputs):
        return np.stack(inputs)

    def predict(self, x):
        return self.model(x) if BATCH > 1 else self.model(x[None])[0]

    def unbatch(self, output):
        return list(output)

    def encode_response(self, output):
        return {"scores": output.tolist()}


if __name__ == "__main__":
    batching = {"max_batch_size": BATCH, "batch_timeout": 0.001} if BATCH > 1 else {}
    server = litserve.LitServer(
        Mlp(**batching), accelerator="cpu", workers_per_device=1, fast_queue=True
    )
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
    )
