"""
A processor whose answer says which version made it: the model config, a space, and the request.

A request that begins with `die` kills the process. The model config `refuse` does not load, and
with `cold` every request is refused.
"""

import os


def initialize(model_entry, model_config):
    if model_config == "refuse":
        raise ValueError("this version does not load")
    return model_config


def process(model, request):
    if bytes(request[:3]) == b"die":
        os.abort()
    if model == "cold":
        raise ValueError("this version cannot answer")
    return model.encode() + b" " + bytes(request)


def batch_process(model, requests):
    return [process(model, request) for request in requests]
