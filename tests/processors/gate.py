"""
A processor that a test holds up and lets go on through named pipes.

    wait PIPE     as a request or as the model config: go on when the pipe's writing end is closed
    crash FILE    as the model config: die in `initialize` while FILE exists
"""

import os


def initialize(model_entry, model_config):
    command, _, path = model_config.partition(" ")
    if command == "wait":
        _wait(path)
    elif command == "crash" and os.path.exists(path):
        os.abort()
    return


def process(model, request):
    command, _, path = bytes(request).decode().partition(" ")
    if command == "wait":
        _wait(path)
    return bytes(request)


def _wait(path):
    with open(path) as pipe:
        pipe.read()
