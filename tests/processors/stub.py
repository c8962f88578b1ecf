"""
A processor whose model config is JSON that says how it behaves.

`says` begins each answer, before a space and the request. `load` is what `initialize` does:
`refuse` raises, `abort` ends the process as a crash in C++ code does, `hog` takes memory for as
long as there is some. `needs` is a file without which it raises, `seconds` what it takes.

A request that begins with `die` ends the process, one with `sleep S` is answered after S seconds.
"""

import json
import os
import time

_PIECE = 16 * 1024 * 1024


def initialize(model_entry, model_config):
    config = json.loads(model_config or "{}")
    load = config.get("load")
    time.sleep(config.get("seconds", 0))
    if load == "refuse":
        raise ValueError("this model does not load")
    if load == "abort":
        os.abort()
    if load == "hog":
        _hog()
    if not os.path.exists(config.get("needs", "/")):
        raise ValueError("this model needs " + config["needs"])
    return config.get("says", "stub").encode()


def process(model, request):
    words = bytes(request[:100]).split()
    if words[:1] == [b"die"]:
        os.abort()
    if words[:1] == [b"sleep"]:
        time.sleep(float(words[1]))
    return model + b" " + bytes(request)


def batch_process(model, requests):
    return [process(model, request) for request in requests]


def get_serving_model_info(model):
    return b'{"signature_name": "stub", "inputs": [], "outputs": []}'


def _hog():
    pieces = []
    while True:
        pieces.append(b"x" * _PIECE)
        time.sleep(0.01)
