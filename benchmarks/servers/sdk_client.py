"""Compares an SDK, ours or the vendor's, with a raw socket: `sdk_client.py URL TOKEN CALLS`."""

import json
import socket
import statistics
import sys
import time

from eas_prediction import PredictClient, TFRequest


def timed(call, count):
    """Return the median of `count` calls in microseconds, after a tenth as many to warm up."""
    times = []
    for index in range(count + count // 10):
        start = time.perf_counter()
        call()
        if index >= count // 10:
            times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def feed(size):
    """Return a request for `size` floats in rows of 784, or in one."""
    request = TFRequest("serving_default")
    request.add_feed("images", [size // 784, 784], TFRequest.DT_FLOAT, [0.5] * size)
    return request


def raw(host, port, path, token, body):
    """Return a function that sends prebuilt bytes over one connection and reads the answer."""
    connection = socket.create_connection((host, port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head = "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n"
    message = (head % (path, host, token, len(body))).encode() + body

    def call():
        connection.sendall(message)
        if not connection.recv(65536).startswith(b"HTTP/1.1 200"):
            sys.exit("the raw request was refused")

    return call


def main():
    """Print the figures as JSON, in microseconds."""
    url, token, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    address, _, name = url.partition("/api/predict/")
    host, _, port = address.split("//")[1].partition(":")
    client = PredictClient(address, name)
    client.set_token(token)
    client.init()
    request = feed(784)
    client.predict(request)
    call = raw(host, int(port), "/api/predict/" + name, token, request.to_string())
    figures = {"predict_us": [], "raw_us": [], "protobuf": implementation()}
    listed = [0.5] * 150528
    figures["list_us"] = timed(lambda: feed_and_serialise(listed), 20)
    try:
        import numpy as np

        array = np.full(150528, 0.5, np.float32)
        figures["array_us"] = timed(lambda: feed_and_serialise(array), 20)
    except (ImportError, TypeError, ValueError):
        figures["array_us"] = None  # the vendor's client takes no arrays
    for _ in range(5):
        figures["predict_us"].append(timed(lambda: client.predict(request), count))
        figures["raw_us"].append(timed(call, count))
    figures["predict_us"] = statistics.median(figures["predict_us"])
    figures["raw_us"] = statistics.median(figures["raw_us"])
    print(json.dumps(figures))


def implementation():
    """Return the implementation of protobuf: python, cpp or upb."""
    try:
        from google.protobuf.internal import api_implementation
    except ImportError:
        return "none"
    return api_implementation.Type()


def feed_and_serialise(values):
    """Make a request of 150,528 floats and serialise it."""
    request = TFRequest("serving_default")
    request.add_feed("images", [192, 784], TFRequest.DT_FLOAT, values)
    return request.to_string()


main()
