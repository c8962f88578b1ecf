"""The signature of a service file's model, read without TensorFlow."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from eas_prediction import Signature
from eas_prediction._signature import read_signature
from eas_processor.cli.inspect import facts_of
from eas_processor.config import fetch_model, load_service
from eas_processor.errors import CallError


def signature_of_file(path: Path) -> Signature:
    """Return the default signature of the model or service file at `path`."""
    config: Any = {}
    if path.is_dir():
        model = path
    else:
        loaded = load_service(path)
        model = fetch_model(loaded)
        with contextlib.suppress(ValueError):
            config = json.loads(loaded.service.model_config or "{}")
    signatures = facts_of(model).get("signatures", [])
    wanted = config.get("signature_name") if isinstance(config, dict) else None
    names = [each["signature_name"] for each in signatures]
    for name in (wanted, "serving_default", *sorted(names)):
        if name in names:
            return read_signature(json.dumps(signatures[names.index(name)]).encode())
    raise CallError(f"{path}: the model has no signature to make a request from")
