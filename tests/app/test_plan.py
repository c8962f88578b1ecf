from __future__ import annotations

import json
import shutil
import threading
import time
from pathlib import Path

import pytest

from eas_processor.app.plan import ServiceFile, _stamp, read_plan
from eas_processor.errors import BuildError


def test_a_directory_that_goes_while_it_is_looked_at(tmp_path: Path) -> None:
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            (tmp_path / "1" / "variables").mkdir(parents=True)
            (tmp_path / "1" / "saved_model.pb").touch()
            shutil.rmtree(tmp_path / "1")

    thread = threading.Thread(target=come_and_go)
    thread.start()
    stamps = set()
    until = time.monotonic() + 30
    try:
        while len(stamps) < 50 and time.monotonic() < until:
            stamps.add(_stamp(tmp_path))
    finally:
        over.set()
        thread.join()
    assert len(stamps) == 50


def test_a_file_that_changes_has_another_stamp(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"a")
    before = _stamp(tmp_path)
    assert _stamp(tmp_path) == before
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"ab")
    assert _stamp(tmp_path) != before


def test_the_tokens_of_a_service_are_made_when_its_file_is_first_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both, since that is done in a thread: keeping one waits for the disk."""
    monkeypatch.setenv("EAS_HOME", str(tmp_path / "home"))
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"name": "a", "processor": "tensorflow_cpu", "model_path": "m"}))
    name, tokens = ServiceFile(path).identify()
    kept = (tmp_path / "home" / "tokens" / "a").read_bytes().strip()
    assert name == "a" and tokens.accepts(kept)
    assert (tmp_path / "home" / "admin-tokens" / "a").exists()


def test_a_model_config_that_is_not_json_is_refused_with_file_and_key(tmp_path: Path) -> None:
    """Before a build is made or a model is fetched: neither is there."""
    path = tmp_path / "a.json"
    service = {"name": "a", "processor": "tensorflow_cpu_1.12", "model_path": "m"}
    path.write_text(json.dumps({**service, "model_config": "threads=2"}))
    with pytest.raises(BuildError) as caught:
        read_plan(path)
    assert str(caught.value).startswith(f"{path}: model_config: tensorflow_cpu_1.12 reads a JSON")
