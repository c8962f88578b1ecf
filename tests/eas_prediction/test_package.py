from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

import eas_prediction


def test_all_lists_the_public_names():
    public = {
        name
        for name, value in vars(eas_prediction).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public == set(eas_prediction.__all__)


def test_imports_nothing_of_the_server_nor_tensorflow():
    code = "import sys, eas_prediction; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    loaded = set(output.decode().split())
    rooms = {name.split(".")[1] for name in loaded if name.startswith("eas_processor.")}
    assert rooms == {"wire"}
    assert not loaded & {"tensorflow", "requests", "msgspec", "rich", "httptools", "uvloop"}


@pytest.mark.parametrize("name", ["TorchRequest", "BladeRequest", "OnnxResponse", "QueueClient"])
def test_names_for_other_processors_say_where_they_are(name):
    with pytest.raises(eas_prediction.InvalidRequest, match=f"{name} is not part of this package"):
        getattr(eas_prediction, name)("endpoint", "service")
