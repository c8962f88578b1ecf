"""What cannot be served: one sentence, exit status 1, and nothing left behind."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from e2e import models
from e2e.conftest import EASCMD

Make = Callable[[Path], dict[str, Any]]


def a_file(text: str) -> Make:
    def make(directory: Path) -> dict[str, Any]:
        (directory / "service.json").write_text(text)
        return {}

    return make


def keys(**given: Any) -> Make:
    return lambda _: given


def model_file(name: str, content: bytes) -> Make:
    def make(directory: Path) -> dict[str, Any]:
        (directory / name).write_bytes(content)
        return {"model_path": name}

    return make


def climbing_archive(directory: Path) -> dict[str, Any]:
    with tarfile.open(directory / "model.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("../climbed")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    return {"model_path": "model.tar.gz"}


def truncated_archive(directory: Path) -> dict[str, Any]:
    models.save_linear(directory / "saved_model")
    whole = directory / "whole.tar.gz"
    with tarfile.open(whole, "w:gz") as archive:
        archive.add(directory / "saved_model", arcname=".")
    (directory / "model.tar.gz").write_bytes(whole.read_bytes()[:-2000])
    return {"model_path": "model.tar.gz"}


def newer_model(directory: Path) -> dict[str, Any]:
    """A frozen graph with an op that no TensorFlow has yet."""
    graph = models.tf.compat.v1.GraphDef()
    graph.versions.producer = 99999
    graph.node.add(name="x", op="Placeholder").attr["dtype"].type = 1
    graph.node.add(name="y", op="OpOfAFutureTensorFlow", input=["x"])
    (directory / "model.pb").write_bytes(graph.SerializeToString())
    return {"model_path": "model.pb"}


def refused_warm_up(directory: Path) -> dict[str, Any]:
    models.save_linear(directory / "saved_model")
    (directory / "warm_up.bin").write_bytes(b"\xff not a request")
    return {"model_path": "saved_model", "warm_up_data_path": "warm_up.bin"}


CASES: dict[str, tuple[Make, str]] = {
    "not JSON": (a_file('{"name": '), "service.json"),
    "no model_path": (a_file('{"name": "m", "processor": "tensorflow_cpu"}'), "model_path"),
    "impossible keepalive": (keys(metadata={"rpc": {"keepalive": 0}}), "metadata.rpc.keepalive"),
    "wrong type": (keys(metadata={"instance": "two"}), "metadata.instance"),
    "unknown processor": (keys(processor="tensorflow_cpu_9.9"), "did you mean tensorflow_cpu"),
    "missing model": (keys(model_path="nowhere"), "nowhere"),
    "oss": (keys(model_path="oss://bucket/model"), "model_path"),
    "empty directory": (keys(model_path="."), "saved_model.pb"),
    "corrupt archive": (model_file("model.tar.gz", b"\x1f\x8b\x08 not gzip"), "model.tar.gz"),
    "truncated archive": (truncated_archive, "model.tar.gz"),
    "climbing archive": (climbing_archive, "../climbed"),
    "corrupt graph": (model_file("model.pb", b"\xff" * 100), "model.pb"),
    "newer TensorFlow": (newer_model, "OpOfAFutureTensorFlow"),
    "refused warm-up": (refused_warm_up, "warm_up_data_path"),
    "missing warm-up": (
        lambda d: refused_warm_up(d) | {"warm_up_data_path": "no.bin"},
        "warm_up_data_path",
    ),
    "bad model_config": (
        lambda d: {"model_path": str(models.save_linear(d / "m")), "model_config": "{"},
        "model_config",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_one_sentence_and_nothing_left(case: str, tmp_path: Path) -> None:
    make, says = CASES[case]
    given = make(tmp_path)
    path = tmp_path / "service.json"
    if not path.exists():
        service = {"name": "m", "model_path": ".", "processor": "tensorflow_cpu"} | given
        path.write_text(json.dumps(service))
    done = start(path, tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    refusals = [line for line in done.stderr.splitlines() if line.startswith("eascmd: ")]
    assert len(refusals) == 1
    assert says in refusals[0]
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not list((tmp_path / "home").rglob("climbed"))
    assert not (tmp_path / "climbed").exists()


def test_an_address_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path = tmp_path / "service.json"
        model = models.save_linear(tmp_path / "m")
        service = {"name": "m", "model_path": str(model), "processor": "tensorflow_cpu"}
        path.write_text(json.dumps(service))
        done = start(path, tmp_path, "--port", str(port))
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr.splitlines()[-1]


def start(path: Path, tmp_path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "tmp").mkdir()
    environment = os.environ | {"EAS_HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp")}
    return subprocess.run(
        [EASCMD, "serve", path, *(options or ["--port", "0"])],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        check=False,
    )
