"""Ray Serve: raw float32 in and out."""

import os
import signal
import sys

import numpy as np
import ray
from ray import serve
from starlette.responses import Response
from tf_model import load

BATCH = int(os.environ["BENCH_BATCH"])


@serve.deployment(num_replicas=1, max_ongoing_requests=256, ray_actor_options={"num_cpus": 0.5})
class Mlp:
    """The model of one replica."""

    def __init__(self):
        self.model = load()

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=0)
    async def batched(self, rows):
        return list(self.model(np.stack(rows)))

    async def __call__(self, request):
        row = np.frombuffer(await request.body(), np.float32)
        scores = await self.batched(row) if BATCH > 1 else self.model(row[None])[0]
        return Response(scores.tobytes(), media_type="application/octet-stream")


def start_ray(variables):
    """Start Ray, in up to three attempts: on a busy machine, its limit of 30 s may be too short."""
    for tries_left in (2, 1, 0):
        try:
            ray.init(
                num_cpus=2,
                include_dashboard=False,
                logging_level="error",
                _node_ip_address="127.0.0.1",
                runtime_env={"env_vars": variables},
            )
            return
        except Exception as error:
            if "timed out" not in str(error) or not tries_left:
                raise
            ray.shutdown()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    here = os.path.dirname(os.path.abspath(__file__))
    variables = {"PYTHONPATH": here, "BENCH_MODEL": os.environ["BENCH_MODEL"]}
    start_ray(variables | {"BENCH_BATCH": str(BATCH)})
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Mlp.bind(), route_prefix="/predict", blocking=True)
