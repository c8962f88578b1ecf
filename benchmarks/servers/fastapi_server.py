"""A FastAPI server for the row format of TensorFlow Serving's REST, with orjson."""

import asyncio
import os
import sys

import numpy as np
import orjson
import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from tf_model import load, load_signature

BATCH = int(os.environ["BENCH_BATCH"])
app = FastAPI()
model = load_signature() if os.environ.get("BENCH_CALL") == "signature" else load()


class Batches:
    """Runs all waiting rows together, up to BATCH of them."""

    def __init__(self):
        self.rows = []
        self.waiting = []

    async def scores(self, row):
        """Return the scores of one row."""
        loop = asyncio.get_running_loop()
        self.rows.append(row)
        self.waiting.append(loop.create_future())
        own = self.waiting[-1]
        if len(self.rows) == BATCH:
            self.run()
        elif len(self.rows) == 1:
            loop.call_later(0.001, self.run)
        return await own

    def run(self):
        """Run the waiting rows. There may be none, if the last run has taken them."""
        if not self.rows:
            return
        rows, waiting, self.rows, self.waiting = self.rows, self.waiting, [], []
        for future, scores in zip(waiting, model(np.concatenate(rows)), strict=True):
            if not future.done():  # the client may have disconnected
                future.set_result(scores[None])


batches = Batches()


@app.post("/v1/models/mlp:predict")
async def predict(request: Request):
    """Return the scores of rows."""
    try:
        images = np.array(orjson.loads(await request.body())["instances"], np.float32)
    except (ValueError, KeyError) as error:
        raise HTTPException(400, str(error)) from error
    one = BATCH > 1 and len(images) == 1
    scores = await batches.scores(images) if one else model(images)
    answer = orjson.dumps({"predictions": scores}, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(answer, media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
