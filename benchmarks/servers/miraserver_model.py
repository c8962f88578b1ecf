"""miraserver: raw float32 in and out."""

import numpy as np
from lite_server import LitAPI
from lite_server.response import Response
from tf_model import load


class Mlp(LitAPI):
    """The model behind miraserver's hooks; asynchronous ones, since others cost a thread a call."""

    def setup(self, device):
        self.model = load()

    async def decode_request(self, request):
        return np.frombuffer(request, np.float32)

    async def predict(self, images):
        # A request that is alone is not stacked, with batching on either.
        return self.model(images) if images.ndim == 2 else self.model(images[None])[0]

    async def encode_response(self, scores):
        return Response(scores.tobytes(), media_type="application/octet-stream")
