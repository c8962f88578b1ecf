"""A processor with profiles, which tell the level `host`; a request `die` ends the process."""

import os


def initialize(model_entry, model_config):
    return model_entry


def process(model, request):
    if bytes(request) == b"die":
        os.abort()
    return bytes(request)


def take_profile(model, levels, wait):
    wait()
    return b"level %d" % levels["host"]
