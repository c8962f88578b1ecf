"""
Models of every exporter in every processor build, through the whole service and the SDK.

`make test-builds` runs this; EAS_TEST_BUILDS holds the builds, such as `1.12 2.21`, and
EAS_TEST_EXPORTERS which TensorFlows' models they load (all of them when it is empty). The builds
are those of this machine and are made where they are missing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from e2e import models
from e2e.conftest import EASCMD, Served
from e2e.test_models import predict
from tf.data import network

from eas_prediction import TFRequest
from eas_processor import home as data_directory

BUILDS = os.environ.get("EAS_TEST_BUILDS", "").split()
EXPORTERS = os.environ.get("EAS_TEST_EXPORTERS", "").split()
MODELS = Path(network.__file__).parent / "models"
NAMES = sorted(
    path.name
    for path in MODELS.iterdir()
    if not EXPORTERS or path.name.partition("_")[0] in EXPORTERS
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not BUILDS, reason="EAS_TEST_BUILDS is empty: make test-builds sets it"),
]


@pytest.fixture(scope="module")
def home() -> Path:
    """The data directory of this machine, where the builds are."""
    return data_directory.home()


@pytest.fixture
def serve_in(serve: Callable[..., Served]) -> Iterator[Callable[..., Served]]:
    """Serve a model in a build until the test ends: 147 services do not fit side by side."""
    running: list[Served] = []

    def start(build: str, model: Path, **keys: object) -> Served:
        keys = {"token": "", "processor": f"tensorflow_cpu_{build}"} | keys
        running.append(serve(model, **keys))
        return running[-1]

    yield start
    for served in running:
        served.stop()


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[dict[tuple[str, str], float]]:
    """Relative differences by model and build, printed at the end."""
    cells: dict[tuple[str, str], float] = {}
    yield cells
    lines = ["", "".join(f"{name:>10}" for name in ["    ", *BUILDS])]
    for name in NAMES:
        row = (f"{cells.get((name, build), float('nan')):10.1e}" for build in BUILDS)
        lines.append(f"{name:<14}" + "".join(row))
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        print(*lines, sep="\n")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("build", BUILDS)
def test_every_model_answers_alike_in_every_build(
    serve_in: Callable[..., Served], table: dict[tuple[str, str], float], build: str, name: str
) -> None:
    served = serve_in(build, MODELS / name)
    frozen = name.endswith("_frozen")
    feeds = {"images:0" if frozen else "images": network.IMAGES}
    answers = predict(served, "", feeds, ["scores"] if frozen else [])
    (scores,) = answers.values()
    expected = network.scores(network.IMAGES)
    np.testing.assert_allclose(scores, expected, rtol=1e-6)
    table[name, build] = float(np.max(np.abs(scores - expected) / expected))


@pytest.mark.parametrize("build", [each for each in BUILDS if each.startswith("1.")])
def test_a_model_whose_path_is_not_ascii_is_served_in_an_ascii_locale(
    tmp_path: Path, environment: dict[str, str], build: str
) -> None:
    """Python 3.6 has no UTF-8 mode, and with `PYTHONUTF8=0` the engine's has none either."""
    model = tmp_path / "modèle-模型"
    shutil.copytree(MODELS / NAMES[0], model)
    file = tmp_path / "service.json"
    service = {"name": "model", "model_path": str(model), "processor": f"tensorflow_cpu_{build}"}
    file.write_text(json.dumps(service))
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    process = subprocess.Popen(
        [EASCMD, "serve", file, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={**environment, **ascii_only},
    )
    Served(process).stop()
    assert process.returncode == 0


def save_refusing(directory: Path) -> Path:
    """Write a model whose graph refuses some values: an index out of range, sparse bounds."""
    tf, v1 = models.tf, models.v1
    with v1.Session(graph=tf.Graph()) as session:
        index = v1.placeholder(tf.int32, [None], name="index")
        row = tf.gather(tf.constant([1.0, 2.0, 3.0]), index)
        size = v1.placeholder(tf.int32, [None], name="size")
        filled = tf.reshape(tf.constant([1.0, 2.0]), size)
        v1.saved_model.simple_save(
            session, str(directory), {"index": index, "size": size}, {"row": row, "filled": filled}
        )
    return directory


def save_sparse(directory: Path) -> Path:
    """Write a model with an op that aborts the process in TensorFlow 1.15, on a huge shape."""
    tf, v1 = models.tf, models.v1
    with v1.Session(graph=tf.Graph()) as session:
        inputs = {
            "indices": v1.placeholder(tf.int64, [None, 2], name="indices"),
            "values": v1.placeholder(tf.float32, [None], name="values"),
            "dense_shape": v1.placeholder(tf.int64, [2], name="dense_shape"),
        }
        ordered = tf.sparse.reorder(tf.SparseTensor(*inputs.values()))
        v1.saved_model.simple_save(session, str(directory), inputs, {"ordered": ordered.values})
    return directory


def request_of(signature: str = "", fetches: tuple[str, ...] = (), **feeds: object) -> bytes:
    kinds = {"f4": TFRequest.DT_FLOAT, "i4": TFRequest.DT_INT32, "i8": TFRequest.DT_INT64}
    request = TFRequest(signature)
    for name, value in feeds.items():
        array = np.asarray(value)
        request.add_feed(name, list(array.shape), kinds[array.dtype.str[1:]], array)
    for name in fetches:
        request.add_fetch(name)
    return bytes(request.to_string())


def call(
    served: Served, body: bytes, content_type: str = "application/octet-stream"
) -> tuple[int, bytes]:
    request = urllib.request.Request(
        served.url, body, {"Content-Type": content_type, "X-Request-Id": "1"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


IMAGES = network.IMAGES
OURS: dict[str, tuple[bytes, str]] = {
    "signature": (b"", "application/octet-stream"),
    "no protobuf": (b"\xff" * 20, "application/octet-stream"),
    "unknown signature": (request_of("other", images=IMAGES), "application/octet-stream"),
    "unknown input": (request_of(pictures=IMAGES), "application/octet-stream"),
    "missing input": (request_of("predict_images"), "application/octet-stream"),
    "wrong dtype": (request_of(images=IMAGES.astype("i4")), "application/octet-stream"),
    "wrong dimension": (request_of(images=IMAGES[:, :3]), "application/octet-stream"),
    "wrong rank": (request_of(images=IMAGES[0]), "application/octet-stream"),
    "unknown output": (request_of("", ("nothing",), images=IMAGES), "application/octet-stream"),
    "no JSON": (b"{", "application/json"),
    "a comma too many": (b'{"inputs": {"images": [1, ]}}', "application/json"),
    "unknown key": (b'{"rows": []}', "application/json"),
    "a word for a number": (b'{"inputs": {"images": [["a"]]}}', "application/json"),
    "ragged rows": (b'{"inputs": {"images": [[1, 2], [3]]}}', "application/json"),
}


def test_what_we_detect_reads_the_same_in_every_build(serve_in: Callable[..., Served]) -> None:
    answers = {}
    for build in BUILDS:
        served = serve_in(build, MODELS / "2.3_module")
        answers[build] = {case: call(served, *sent) for case, sent in OURS.items()}
    for case in OURS:
        said = {build: answers[build][case] for build in BUILDS}
        assert len(set(said.values())) == 1, said
        status = said[BUILDS[0]][0]
        assert status == 200 if case == "signature" else 400 <= status < 500, said


@pytest.mark.parametrize("build", BUILDS)
def test_what_tensorflow_detects_has_one_status_and_prefix(
    serve_in: Callable[..., Served], tmp_path: Path, build: str
) -> None:
    served = serve_in(build, save_refusing(tmp_path / "model"))
    for index, size in ([7], [2]), ([0], [5]):
        body = request_of(index=np.array(index, "i4"), size=np.array(size, "i4"))
        status, text = call(served, body)
        assert (status, text.startswith(b"the model refused the request: ")) == (400, True), text
        assert b"{{" not in text
        assert b"[[" not in text


@pytest.mark.skipif("1.15" not in BUILDS, reason="TensorFlow 1.15 is the one that aborts")
def test_an_op_that_aborts_ends_its_worker_and_not_the_service(
    serve_in: Callable[..., Served], tmp_path: Path
) -> None:
    served = serve_in("1.15", save_sparse(tmp_path / "model"))

    def send(size: int) -> tuple[int, bytes]:
        entries = {"indices": np.array([[1, 1], [0, 0]]), "values": np.array([2, 1], "f4")}
        return call(served, request_of(**entries, dense_shape=np.array([size, size])))

    good = send(2)
    assert good[0] == 200
    status, text = send(2**40)
    assert status == 500
    assert b"worker" in text
    assert send(2) == good
    assert served.process.poll() is None


@pytest.mark.skipif("1.15" not in BUILDS, reason="it names that build")
def test_the_vendors_documentation_example(serve_in: Callable[..., Served], tmp_path: Path) -> None:
    warm_up = tmp_path / "warm_up.bin"
    warm_up.write_bytes(request_of("predict_images", images=IMAGES))
    served = serve_in(
        "1.15",
        MODELS / "1.15_ref",
        name="mnist_saved_model_example",
        warm_up_data_path=str(warm_up),
        metadata={"instance": 1, "cpu": 1, "memory": 4000},
    )
    answers = predict(served, "predict_images", {"images": IMAGES}, ["scores"])
    np.testing.assert_allclose(answers["scores"], network.scores(IMAGES), rtol=1e-6)
