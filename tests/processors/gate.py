"""
A processor that a test holds up and lets go on through named pipes.

    wait PIPE     as a request or as the model config: go on when the pipe's writing end is closed
    crash FILE    as the model config: die in `initialize` while FILE exists
    mute          as the model config: close all sockets and live on
    if FILE ...   as the model config: do what follows while FILE exists
"""

import os
import time


def initialize(model_entry, model_config):
    command, _, path = model_config.partition(" ")
    if command == "wait":
        _wait(path)
    elif command == "crash" and os.path.exists(path):
        os.abort()
    elif command == "mute":
        os.closerange(3, 256)
        time.sleep(60)
    elif command == "if":
        condition, _, command = path.partition(" ")
        if os.path.exists(condition):
            initialize(model_entry, command)


def process(model, request):
    command, _, path = bytes(request).decode().partition(" ")
    if command == "wait":
        _wait(path)
    return bytes(request)


def _wait(path):
    with open(path) as pipe:
        pipe.read()
