"""The files of a request log: rotation, number and permissions."""

import os

import pytest

from eas_processor.tf import log_files
from eas_processor.tf.log_files import MAX_FILES, LogFiles


def files(directory):
    return sorted(each.name for each in directory.iterdir())


def test_records_are_in_the_file_when_the_call_returns(tmp_path):
    log = LogFiles(str(tmp_path / "made" / "m"))
    log.write([b"a", b"b"])
    log.write([b"c"])
    (path,) = (tmp_path / "made").iterdir()
    assert path.read_bytes() == b"abc"
    assert path.name.startswith("m.") and path.name.endswith(".tfrecord")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_full_file_is_followed_by_another(tmp_path, monkeypatch):
    monkeypatch.setattr(log_files, "MAX_BYTES", 10)
    log = LogFiles(str(tmp_path / "m"))
    log.write([b"12345", b"67890", b"x", b"larger than a file"])
    contents = [(tmp_path / name).read_bytes() for name in files(tmp_path)]
    assert contents == [b"1234567890", b"x", b"larger than a file"]


def test_an_old_file_is_followed_by_another(tmp_path, monkeypatch):
    monkeypatch.setattr(log_files, "MAX_AGE_S", 0.0)
    log = LogFiles(str(tmp_path / "m"))
    log.write([b"a"])
    log.write([b"b"])
    assert len(files(tmp_path)) == 2


def test_the_oldest_are_removed_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(log_files, "MAX_BYTES", 1)
    (tmp_path / "m.notes").write_text("")
    (tmp_path / "other.1.tfrecord").write_text("")
    os.utime(str(tmp_path / "other.1.tfrecord"), (1, 1))
    for number in range(MAX_FILES):
        path = tmp_path / ("m.%d.tfrecord" % number)
        path.write_text("")
        os.utime(str(path), (number + 1, number + 1))
    LogFiles(str(tmp_path / "m")).write([b"a"])
    left = files(tmp_path)
    assert {"m.notes", "other.1.tfrecord", "m.1.tfrecord"} <= set(left)
    assert "m.0.tfrecord" not in left
    assert len(left) == MAX_FILES + 2


def test_after_a_failure_another_file_is_begun(tmp_path):
    (tmp_path / "taken").write_text("")
    log = LogFiles(str(tmp_path / "taken" / "m"))
    with pytest.raises(OSError):
        log.write([b"a"])
    (tmp_path / "taken").unlink()
    log.write([b"b"])
    (path,) = (tmp_path / "taken").iterdir()
    assert path.read_bytes() == b"b"
