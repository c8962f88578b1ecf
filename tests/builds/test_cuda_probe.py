import json
import os
import subprocess
import sys

import pytest
from builds import stub_cuda
from fixtures import need

from eas_processor.builds import cuda_probe

pytestmark = need.unless(stub_cuda.compiler(), "no C compiler for the stub of a driver")


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    directory = tmp_path_factory.mktemp("cuda")
    stub_cuda.make_libraries(directory, ("libcudnn.so.8",))
    stub_cuda.make_driver(directory)
    return directory


def probe(path, *libraries, **environment):
    kept = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
    done = subprocess.run(
        [sys.executable, "-IS", cuda_probe.__file__, *libraries],
        env=kept | {"LD_LIBRARY_PATH": str(path)} | environment,
        capture_output=True,
        check=True,
        timeout=60,
    )
    return json.loads(done.stdout)


def test_cards_with_their_capability_and_memory(libraries):
    assert probe(libraries, "libcudnn.so.8", STUB_GPUS="7.0 8.6") == {
        "missing": [],
        "driver": "",
        "gpus": [
            {"name": "Stub 0", "capability": "7.0", "memory": 16 << 30},
            {"name": "Stub 1", "capability": "8.6", "memory": 17 << 30},
        ],
    }


def test_only_visible_cards(libraries):
    found = probe(libraries, STUB_GPUS="7.0 8.6", CUDA_VISIBLE_DEVICES="1")
    assert [gpu["capability"] for gpu in found["gpus"]] == ["8.6"]


def test_what_is_missing(tmp_path, libraries):
    assert probe(tmp_path, "libno.so.1", "libnone.so.2")["missing"] == [
        "libno.so.1",
        "libnone.so.2",
    ]
    assert probe(libraries, "libno.so.1", "libcudnn.so.8", STUB_GPUS="7.0")["missing"] == [
        "libno.so.1"
    ]


def test_a_driver_without_cards_says_why(libraries):
    found = probe(libraries, STUB_GPUS="")
    assert found["gpus"] == []
    assert found["driver"] == "cuInit of the driver failed with error 100"
