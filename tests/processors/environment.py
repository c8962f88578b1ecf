"""A processor that answers with the names in its environment, and prints and logs on its way."""

import logging
import os


def initialize(model_entry, model_config):
    return None


def process(model, request):
    print("asked for", bytes(request).decode())
    logging.getLogger("eas_processor.worker").warning("looks odd")
    return " ".join(sorted(os.environ)).encode()
