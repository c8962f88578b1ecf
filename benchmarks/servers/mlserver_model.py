"""MLServer: v2 JSON."""

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse
from tf_model import load


class Mlp(MLModel):
    """The model, with MLServer's hooks."""

    async def load(self):
        self.model = load()
        return True

    async def predict(self, payload):
        images = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32)
        output = NumpyCodec.encode_output("scores", self.model(images))
        return InferenceResponse(model_name=self.name, outputs=[output])
