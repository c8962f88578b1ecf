"""
Train a model, serve it, call it, and show the answers.

`make run` runs this. Your own program needs only the client part, `call`.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from data import Digits, load

from eas_prediction import PredictClient, StringRequest, TFRequest

HERE = Path(__file__).parent
EASCMD = Path(sys.executable).parent / "eascmd"
LOG = HERE / "build" / "serve.log"
SHOWN = 5


def train() -> None:
    """Run train.py; TensorFlow's log is shown only if it fails."""
    start = time.perf_counter()
    print("Training a small network on real handwritten digits ...", flush=True)
    done = subprocess.run(
        [sys.executable, HERE / "train.py"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr + "the training failed")
    print(f"  done in {time.perf_counter() - start:.1f} s: {HERE / 'build' / 'model.tar.gz'}")


def serve() -> tuple[subprocess.Popen[str], str, str]:
    """Start the service on a free port; return it with its URL and token."""
    service = HERE / "service.json"
    print(f"Serving it: {EASCMD} serve {service} --port 0", flush=True)
    with LOG.open("w") as log:
        process = subprocess.Popen(
            [EASCMD, "serve", service, "--port", "0"], stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert process.stdout is not None
    # On a pipe, eascmd prints one line of JSON when the service is ready.
    line = process.stdout.readline()
    if not line:
        sys.exit(f"{LOG.read_text()}the service did not start")
    event = json.loads(line)
    print(f"  Serving at: {event['url']}\n  Token: {event['token_file']}")
    return process, event["url"], Path(event["token_file"]).read_text().strip()


def call(client: PredictClient, digits: Digits) -> tuple[np.ndarray, list[float]]:
    """Return the predicted digit of each test image, and the seconds of each call."""
    answers, seconds = [], []
    for image in digits.test_images:
        request = TFRequest("predict_images")
        request.add_feed("images", [1, 784], TFRequest.DT_FLOAT, image)
        request.add_fetch("scores")
        start = time.perf_counter()
        response = client.predict(request)
        seconds.append(time.perf_counter() - start)
        answers.append(int(np.argmax(response.numpy("scores"))))
    return np.array(answers), seconds


def draw(image: np.ndarray) -> list[str]:
    """Return an image of 784 floats as 14 lines of block characters."""
    pixels = image.reshape(14, 2, 28)
    blocks = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}
    return [
        "".join(blocks[int(top > 0.4), int(bottom > 0.4)] for top, bottom in zip(*row, strict=True))
        for row in pixels
    ]


def report(digits: Digits, answers: np.ndarray, seconds: list[float]) -> float:
    """Print some digits with their answers, the accuracy and the latency; return the accuracy."""
    print(f"\n{SHOWN} of {len(answers)} digits that were not used for training:\n")
    for image, label, answer in zip(
        digits.test_images[:SHOWN], digits.test_labels, answers, strict=False
    ):
        lines = draw(image)
        lines[6] += f"      written: {label}    answered: {answer}"
        print("\n".join(f"    {line}" for line in lines if line.strip()), end="\n\n")
    accuracy = float(np.mean(answers == digits.test_labels))
    median, worst = np.percentile(seconds, [50, 99]) * 1000
    print(f"accuracy: {accuracy:.3f}")
    print(f"latency:  p50 {median:.2f} ms, p99 {worst:.2f} ms, one call after the other")
    return accuracy


def main() -> int:
    """Run the demonstration; return 0 if the accuracy is as expected."""
    train()
    process, url, token = serve()
    try:
        parts = urlsplit(url)
        client = PredictClient(f"{parts.scheme}://{parts.netloc}", parts.path.rpartition("/")[2])
        client.set_token(token)
        client.init()
        signature = client.predict(StringRequest("")).response_data
        print("\nThe signature, from an empty request:")
        print(f"  {signature.decode() if isinstance(signature, bytes) else signature}")
        digits = load()
        accuracy = report(digits, *call(client, digits))
        client.destroy()
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()
    print("\nThe service is stopped. To keep one running:")
    print(f"  {EASCMD} serve {HERE / 'service.json'}")
    return 0 if accuracy >= 0.95 and process.returncode == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
