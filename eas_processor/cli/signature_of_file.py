"""The signature that the model of a service file answers with, read without TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path

from eas_prediction import Signature
from eas_prediction._signature import read_signature
from eas_processor.cli.inspect import facts_of
from eas_processor.config import fetch_model, load_service
from eas_processor.errors import CallError


def signature_of_file(path: Path) -> Signature:
    """Return the default signature of the model that the file at `path` names."""
    loaded = load_service(path)
    try:
        config = json.loads(loaded.service.model_config or "{}")
    except ValueError:
        config = {}
    signatures = facts_of(fetch_model(loaded)).get("signatures", [])
    wanted = config.get("signature_name") if isinstance(config, dict) else None
    names = [each["signature_name"] for each in signatures]
    for name in (wanted, "serving_default", *sorted(names)):
        if name in names:
            return read_signature(json.dumps(signatures[names.index(name)]).encode())
    raise CallError(f"{path}: the model has no signature to make a request from")
