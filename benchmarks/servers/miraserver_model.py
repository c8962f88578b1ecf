"""miraserver: raw float32 in and out."""

import numpy as np
from lite_server import LitAPI
from lite_server.response import Response
from tf_model import load


class Mlp(LitAPI):
    """The model, with miraserver's asynchronous hooks. Others would use a thread per call."""

    def setup(self, device):
        self.model = load()

    async def decode_request(self, request):
        return np.frombuffer(request, np.float32)

    async def predict(self, images):
        # A single request is not stacked, even with batching.
        return self.model(images) if images.ndim == 2 else self.model(images[None])[0]

    async def encode_response(self, scores):
        return Response(scores.tobytes(), media_type="application/octet-stream")
