"""mosec: raw float32 in and out, or the protobuf of this service."""

import os

import numpy as np
from mosec import Server, Worker
from tf_model import load

BATCH = int(os.environ["BENCH_BATCH"])
PROTOBUF = os.environ.get("BENCH_ENCODING") == "protobuf"
if PROTOBUF:
    import eas_wire as wire


class Mlp(Worker):
    """One worker with the model."""

    resp_mime_type = "application/octet-stream"

    def __init__(self):
        super().__init__()
        self.model = load()

    def deserialize(self, data):
        if PROTOBUF:
            return wire.decode_request(data).inputs["images"].array[0]
        return np.frombuffer(data, np.float32)

    def serialize(self, data):
        if PROTOBUF:
            return wire.encode_response({"scores": wire.Tensor(wire.DT_FLOAT, data[None])})
        return data.tobytes()

    def forward(self, data):
        if BATCH > 1:
            return list(self.model(np.stack(data)))
        return self.model(data[None])[0]


if __name__ == "__main__":
    server = Server()
    server.append_worker(Mlp, num=1, max_batch_size=BATCH, max_wait_time=1 if BATCH > 1 else 0)
    server.run()
