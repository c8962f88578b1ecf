from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

from eas_processor.app.plan import _stamp


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
