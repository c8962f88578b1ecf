"""
A processor without a model: it answers with the request, or does what the request's words say.

    sleep S     answer after S seconds, with the GIL released, as TensorFlow does
    die         kill the process, as a crash in C++ code does
    refuse      refuse the request with status 400
    fail        raise an exception that no hook should
    grow N      answer with N bytes

A request of more than a million bytes is answered with `ok`, one in JSON with {"echo": request}.
"""

import json
import os
import time


class Refusal(Exception):
    status = 400


def initialize(model_entry, model_config):
    if model_config == "refuse":
        raise Refusal("this model is refused")
    if model_config == "fail":
        raise RuntimeError("initialize fails")
    if model_config == "check":
        os.write(2, b"F0000 00:00:1.5 7 a.cc:1] Check failed: rows > 0\n")
        os.write(2, b"    @ 0x7f66 f\n" * 500)
    if model_config in ("check", "die"):
        os.abort()
    return model_entry


def process(model, request):
    words = bytes(request[:100]).split()
    command = words[0] if words else b""
    if command == b"sleep":
        time.sleep(float(words[1]))
    elif command == b"die":
        os.abort()
    elif command == b"refuse":
        raise Refusal("refused as asked")
    elif command == b"fail":
        raise RuntimeError("failed as asked")
    elif command == b"grow":
        return b"x" * int(words[1])
    return b"ok" if len(request) > 1000000 else bytes(request)


def process_json(model, request):
    return json.dumps({"echo": json.loads(bytes(request).decode())}).encode()


def batch_process(model, requests):
    return [_outcome(model, request) for request in requests]


def _outcome(model, request):
    try:
        return process(model, request)
    except Exception as error:
        return error


def get_serving_model_info(model):
    return b'{"signature_name": "echo", "inputs": [], "outputs": []}'
