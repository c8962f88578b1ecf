"""The service file of the vendor's page, with its model and its warm-up request at oss://."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from e2e.conftest import EASCMD, Served
from fixtures.object_store import *  # noqa: F403 - fixtures
from fixtures.object_store import BUCKET, ObjectStore, Way

from eas_prediction import TFRequest

SAVED_MODEL = Path(__file__).parents[1] / "tf" / "data" / "tf1_saved_model"
PADDING = os.urandom(2_000_000)
# As https://help.aliyun.com prints it, but for the addresses and the processor's version.
SERVICE = f"""{{
  "name": "tf_serving_test",
  "model_path": "oss://{BUCKET}/models/model.tar.gz",
  "processor": "tensorflow_cpu",
  "warm_up_data_path":"oss://{BUCKET}/path/to/warm_up_test.bin", // The path of the request file for model warm-up.
  "oss_endpoint": "ENDPOINT",
  "metadata": {{ "instance": 1, "cpu": 1, "memory": 4000 }}
}}"""  # noqa: E501 - a quotation


def request() -> TFRequest:
    made = TFRequest("predict_images")
    made.add_feed("images", [1, 4], TFRequest.DT_FLOAT, [1.0] * 4)
    return made


def archive(note: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as file:
        file.add(SAVED_MODEL, arcname=".")
        for name, content in (("note", note.encode()), ("padding", PADDING)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def start(
    tmp_path: Path, store: ObjectStore, way: Way, no_settings: None
) -> Iterator[Callable[[], Served]]:
    path = tmp_path / "service.json"
    path.write_text(SERVICE.replace("ENDPOINT", way.url))
    environment = {**os.environ, "EAS_HOME": str(tmp_path / "home"), **store.oss_environment()}
    processes = []

    def run() -> Served:
        process = subprocess.Popen(
            [EASCMD, "serve", path, "--port", "0", "--verbose"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        processes.append(process)
        return Served(process)

    yield run
    for each in processes:
        each.kill()
        each.communicate()


def environments_below(pid: int) -> Iterator[str]:
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield Path(f"/proc/{child}/environ").read_text()
        yield from environments_below(int(child))


def test_the_service_file_of_the_vendors_page(
    start: Callable[[], Served], tmp_path: Path, store: ObjectStore, way: Way
) -> None:
    store.put("models/model.tar.gz", archive("one"))
    store.put("path/to/warm_up_test.bin", request().to_string())

    # The first start is cut off in the middle, and goes on from there.
    way.cut_after, way.cuts_once = 1_000_000, True
    first = start()
    assert way.cut_after is None
    assert len(first.client().predict(request()).response.outputs) == 1
    assert len(PADDING) < way.received < len(PADDING) + 500_000
    known = "".join(environments_below(first.process.pid))
    assert "EAS_" in known or "PATH=" in known
    assert store.key_id not in known
    assert store.secret not in known

    # A reload takes an object that has changed, and only such a one.
    environment = {**os.environ, "EAS_HOME": str(tmp_path / "home"), **store.oss_environment()}

    def reload() -> str:
        command = [EASCMD, "reload", tmp_path / "service.json"]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        ).stdout

    assert "nothing has changed" in reload()
    store.put("models/model.tar.gz", archive("two"))
    assert "the new version has replaced the old one" in reload()
    assert first.client().predict(request())
    log = first.stop()
    assert store.secret not in log
    assert store.key_id not in log

    # The next start asks whether anything has changed, and no more.
    before = way.received
    second = start()
    assert way.received - before < 3000
    assert second.client().predict(request())
    second.stop()
