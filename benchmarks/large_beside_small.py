"""
Measures the latency of 3 KB requests while 64 MB requests arrive at the same service.

    .venv/bin/eascmd serve examples/digits/service.json       # in another terminal
    .venv/bin/python benchmarks/large_beside_small.py http://127.0.0.1:8080/api/predict/digits TOKEN

Prints the latency of the small requests alone, with one large request per second, and with large
requests one at a time. Client and server share the machine.
"""

from __future__ import annotations

import http.client
import multiprocessing
import sys
import time
from multiprocessing.synchronize import Event
from urllib.parse import urlsplit

import numpy as np

from eas_prediction import TFRequest

LARGE_ROWS = 64 * 1024 * 1024 // (784 * 4)
SECONDS = 5.0
PAUSES = {"alone": None, "one large a second": 1.0, "large back to back": 0.0}


def body(rows: int) -> bytes:
    """Return a request of `rows` images."""
    request = TFRequest("predict_images")
    images = np.random.default_rng(0).random((rows, 784), dtype=np.float32)
    request.add_feed("images", [rows, 784], TFRequest.DT_FLOAT, images)
    request.add_fetch("scores")
    return request.to_string()


def send(url: str, token: str, rows: int, pause: float, stop: Event, times: list[float]) -> None:
    """Send requests of `rows` images over one connection until `stop`, and time each in seconds."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    payload = body(rows)
    while not stop.is_set():
        start = time.perf_counter()
        connection.request("POST", parts.path, payload, {"Authorization": token})
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            sys.exit(f"{response.status}: {answer[:200]!r}")
        times.append(time.perf_counter() - start)
        stop.wait(pause)


def measure(url: str, token: str, pause: float | None) -> tuple[np.ndarray, int]:
    """Return the latencies of small requests in ms, and the number of answered large ones."""
    with multiprocessing.Manager() as manager:
        stop = multiprocessing.Event()
        small, large = manager.list(), manager.list()
        jobs = [(url, token, 1, 0.0, stop, small)]
        if pause is not None:
            jobs.append((url, token, LARGE_ROWS, pause, stop, large))
        senders = [multiprocessing.Process(target=_collect, args=job) for job in jobs]
        for sender in senders:
            sender.start()
        time.sleep(SECONDS)
        stop.set()
        for sender in senders:
            sender.join()
        return np.array(small) * 1000, len(large)


def _collect(
    url: str, token: str, rows: int, pause: float, stop: Event, times: list[float]
) -> None:
    own: list[float] = []
    send(url, token, rows, pause, stop, own)
    times.extend(own)


def main() -> None:
    """Measure and print the three cases."""
    url, token = sys.argv[1:3]
    print(f"{'':20}{'small':>8}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}{'large':>7}")
    for label, pause in PAUSES.items():
        small, large = measure(url, token, pause)
        median, tail, worst = np.percentile(small, [50, 99, 100])
        print(f"{label:20}{len(small):8}{median:9.2f}{tail:9.2f}{worst:9.2f}{large:7}")


if __name__ == "__main__":
    main()
