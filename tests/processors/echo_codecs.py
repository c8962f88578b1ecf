"""A processor that takes requests in every codec and answers with their bytes."""

TAKES_CODECS = True


def initialize(model_entry, model_config):
    return b""


def process(model, request, codec):
    return bytes(request)


def batch_process(model, requests, codecs):
    return [bytes(each) for each in requests]


def get_serving_model_info(model):
    return b'{"signature_name": "echo", "inputs": [], "outputs": []}'
