"""The digits example as a container runs it: process 1, a uid of no user, a read-only root."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from e2e import models
from fixtures.many import EASCMD, Many, children, eventually, stat_fields
from fixtures.sandbox import in_sandbox, skip_unless_possible

from eas_prediction import PredictClient, TFRequest

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
# A start, a reload and a stop take 5 s each; the machine may be several times slower.
STOP_S = 60


def request() -> TFRequest:
    made = TFRequest("predict_images")
    made.add_feed("images", [1, 784], TFRequest.DT_FLOAT, np.zeros((1, 784), np.float32))
    made.add_fetch("scores")
    return made


def write_model(folder: Path, version: int) -> None:
    """Write a model of the example's signature, which needs no training."""
    saved = models.save_linear(folder / f"model-{version}", scale=version)
    draft = shutil.make_archive(str(folder / "draft"), "gztar", saved)
    os.replace(draft, folder / "build" / "model.tar.gz")


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The example's folder, outside what the service may write to."""
    folder = tmp_path / "digits"
    (folder / "build").mkdir(parents=True)
    shutil.copy(DIGITS / "service.json", folder)
    file = json.loads((DIGITS / "service.json").read_text())
    assert file["model_path"] == "build/model.tar.gz"
    write_model(folder, 1)
    (folder / file["warm_up_data_path"]).write_bytes(request().to_string())
    return folder


@pytest.fixture
def contained(example: Path, tmp_path: Path) -> Iterator[Many]:
    home = tmp_path / "home"
    home.mkdir()
    skip_unless_possible(home)
    engine = Many(home, example / "service.json", program=in_sandbox(home, *EASCMD))
    yield engine
    engine.kill()


def test_it_starts_answers_is_reloaded_and_stops(contained: Many, example: Path) -> None:
    home = contained.home
    host, port = contained.address
    (event,) = contained.events
    assert event["pid"] == 1
    (process_one,) = children(contained.pid)
    token_file = Path(event["token_file"])
    assert token_file.is_relative_to(home)

    with PredictClient(f"{host}:{port}", event["service"]) as client:
        client.set_token(token_file.read_text().strip())
        client.init()
        answer = client.predict(request()).numpy("scores")
        np.testing.assert_allclose(answer, np.full((1, 10), 0.1), atol=1e-6)

        # As the kubelet leaves the files of a volume with fsGroup.
        token_file.chmod(0o660)
        write_model(example, 2)
        os.kill(process_one, signal.SIGHUP)
        eventually(lambda: "the new version has replaced the old one" in contained.log)
        assert "its mode is 0600 again" in contained.log
        assert token_file.stat().st_mode & 0o777 == 0o600
        client.predict(request())

    # The sandbox's own orphan, which has ended long ago, and the first version's worker.
    eventually(lambda: not zombies(process_one))
    os.kill(process_one, signal.SIGTERM)
    assert contained.process.wait(STOP_S) == 0, contained.log
    assert "Traceback" not in contained.log
    assert contained.left() == []


def zombies(parent: int) -> list[str]:
    """Return the children of a process that have ended and that it has not reaped."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        fields = stat_fields(int(each.name))
        if fields and int(fields[1]) == parent and fields[0] == "Z":
            found.append(each.name)
    return found
