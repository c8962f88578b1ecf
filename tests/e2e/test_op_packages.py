"""
Models whose ops come from packages, through the whole service, in builds that have them.

EAS_TEST_PACKAGES holds the builds, such as `1.15 2.7 2.21`; hundreds of megabytes are downloaded
where they are missing. The models are written in the same build.
"""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from e2e.conftest import Served

from eas_processor import home as data_directory
from eas_processor.builds.catalogue import find_entry
from eas_processor.builds.extended import extend
from eas_processor.builds.provision import provision
from eas_processor.errors import BuildError

BUILDS = os.environ.get("EAS_TEST_PACKAGES", "").split()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not BUILDS, reason="EAS_TEST_PACKAGES is empty: it names builds"),
]

TOKENIZER = """
import sys
import tensorflow as tf
import tensorflow_text as text
v1 = tf.compat.v1
with v1.Graph().as_default(), v1.Session() as session:
    texts = v1.placeholder(tf.string, [None], "texts")
    tokens = text.WhitespaceTokenizer().tokenize(texts).to_tensor(default_value=b"")
    v1.saved_model.simple_save(session, sys.argv[1], {"texts": texts}, {"tokens": tokens})
"""
BEAMS = """
import json, sys
import tensorflow as tf
import tensorflow_addons as addons
v1 = tf.compat.v1
with v1.Graph().as_default(), v1.Session() as session:
    steps, parents = (v1.placeholder(tf.int32, [None, None, None], n) for n in ("steps", "parents"))
    lengths = tf.fill([tf.shape(steps)[1]], tf.shape(steps)[0])
    beams = addons.seq2seq.gather_tree(steps, parents, lengths, 9)
    inputs = {"steps": steps, "parents": parents}
    v1.saved_model.simple_save(session, sys.argv[1], inputs, {"beams": beams})
    print(json.dumps(session.run(beams, {steps: %s, parents: %s}).tolist()))
"""
STEPS, PARENTS = [[[1, 2]], [[3, 4]]], [[[0, 0]], [[1, 0]]]
FOREST = """
import json, sys
import numpy as np
# 0.2.3, of TensorFlow 2.7, trains with a numpy that is older than that of the build.
np.float, np.int, np.bool = float, int, bool
import tensorflow as tf
import tensorflow_decision_forests as tfdf
a, b = np.random.RandomState(0).rand(2, 200).astype(np.float32)
label = (a + b > 1).astype(np.int32)
rows = tf.data.Dataset.from_tensor_slices(({"a": a, "b": b}, label)).batch(100)
model = tfdf.keras.RandomForestModel(num_trees=20)
model.fit(rows, verbose=0)
model.save(sys.argv[1])
found = model.predict(rows)[:5]
print(json.dumps([a[:5].tolist(), b[:5].tolist(), found.tolist()]))
"""


@pytest.fixture(scope="module")
def home() -> Path:
    """The data directory of this machine, where the builds are."""
    return data_directory.home()


def write(build: str, package: str, program: str, model: Path) -> str:
    """Write a model in the build with the package; return what the program has printed last."""
    entry = extend(find_entry(f"tensorflow_cpu_{build}"), [package])
    try:
        python = provision(entry).python
    except BuildError as error:
        pytest.skip(str(error))
    command = [str(python), "-sEc", program, str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip().rpartition("\n")[2]


def ask(served: Served, inputs: dict[str, Any]) -> Any:
    body = json.dumps({"inputs": inputs}).encode()
    request = urllib.request.Request(served.url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["outputs"]


@pytest.mark.parametrize("build", BUILDS)
def test_a_tokenizer_of_tensorflow_text(
    serve: Callable[..., Served], tmp_path: Path, build: str
) -> None:
    write(build, "tensorflow_text", TOKENIZER, tmp_path / "model")
    processor = f"tensorflow_cpu_{build}"
    config = {"op_libraries": "tensorflow_text"}
    served = serve(tmp_path / "model", token="", processor=processor, model_config=config)
    assert ask(served, {"texts": ["to be or", "not"]}) == [["to", "be", "or"], ["not", "", ""]]
    served.stop()


@pytest.mark.parametrize("build", BUILDS)
def test_beams_of_tensorflow_addons(
    serve: Callable[..., Served], tmp_path: Path, build: str
) -> None:
    program = BEAMS % (STEPS, PARENTS)
    printed = write(build, "tensorflow_addons", program, tmp_path / "model")
    processor = f"tensorflow_cpu_{build}"
    config = {"op_libraries": "tensorflow_addons"}
    served = serve(tmp_path / "model", token="", processor=processor, model_config=config)
    assert ask(served, {"steps": STEPS, "parents": PARENTS}) == json.loads(printed)
    served.stop()


@pytest.mark.parametrize("build", BUILDS)
def test_a_decision_forest(serve: Callable[..., Served], tmp_path: Path, build: str) -> None:
    printed = write(build, "tensorflow_decision_forests", FOREST, tmp_path / "model")
    a, b, expected = json.loads(printed)
    processor = f"tensorflow_cpu_{build}"
    config = {"op_libraries": ["tensorflow_decision_forests"]}
    served = serve(tmp_path / "model", token="", processor=processor, model_config=config)
    np.testing.assert_allclose(ask(served, {"a": a, "b": b}), expected, atol=1e-6)
    served.stop()
