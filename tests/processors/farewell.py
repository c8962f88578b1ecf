"""A processor that writes the file named by its model config when it is sent SIGTERM."""

import signal


def initialize(model_entry, model_config):
    def handle(number, frame):
        with open(model_config, "w") as file:
            file.write("farewell")

    signal.signal(signal.SIGTERM, handle)


def process(model, request):
    return bytes(request)
