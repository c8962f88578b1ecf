"""`eascmd processor new`: a folder with a processor that runs, its test and its README."""

from __future__ import annotations

import re
from pathlib import Path

from eas_processor.errors import StartError

_APP = '''"""The processor {name}: replace what it computes by your own model."""

import json

import numpy as np

from eas_processor.hooks import BadRequest, arrays


def initialize(model_entry, model_config):
    """Load the model at the path `model_entry`; the other hooks get what this returns."""
    return {{"scale": 2.0, **json.loads(model_config or "{{}}")}}


@arrays(inputs={{"x": ("float32", [-1])}}, outputs={{"y": ("float32", [-1])}}, by_row=True)
def process(model, x):
    """Answer a request: arrays in, arrays out."""
    if np.isnan(x).any():
        raise BadRequest("x has a value that is no number")
    return x * model["scale"]
'''

_TEST = '''"""Tests of {name}: `python -m pytest`."""

import json

import app

MODEL = app.initialize("", "")


def ask(body):
    return json.loads(app.process(MODEL, json.dumps(body).encode(), codec=1))


def test_it_answers():
    assert ask({{"instances": [1, 2]}}) == {{"predictions": [2.0, 4.0]}}
'''

_SERVICE = """{{
  "name": "{name}",
  "processor_path": ".",
  "processor_entry": "app.py",
  "processor_type": "python"
}}
"""

_README = """# {name}

`app.py` is the processor: `initialize` loads the model, `process` answers a request. Packages that
it needs go into a `requirements.txt` beside it.

    eascmd processor test . --json '{{"instances": [1, 2]}}'    # the hooks, without a service
    python -m pytest                                          # its tests; needs pytest
    eascmd serve service.json                                 # the service

Then call it. `TOKEN` is the token that it prints:

    curl -H "Authorization: $TOKEN" -H "Content-Type: application/json" \\
        -d '{{"instances": [1, 2]}}' http://127.0.0.1:8080/api/predict/{name}
"""

_FILES = {"app.py": _APP, "test_app.py": _TEST, "service.json": _SERVICE, "README.md": _README}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


def new_processor(directory: Path) -> None:
    """Create a folder with a processor of the folder's name. Raises StartError."""
    name = directory.absolute().name
    if not _NAME.fullmatch(name):
        raise StartError(
            f"{name!r} is not a valid service name: "
            "expected 1 to 64 letters, digits, '_', '-' or '.'"
        )
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise StartError(f"{directory} exists already; give a new folder")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for file, text in _FILES.items():
            (directory / file).write_text(text.format(name=name), encoding="utf-8")
    except OSError as error:
        raise StartError(f"{directory} cannot be written: {error.strerror}") from error
    print(f"{directory}: {', '.join(_FILES)}; README.md says what to do next")
