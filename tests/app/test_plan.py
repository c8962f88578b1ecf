from __future__ import annotations

import json
import os
import shutil
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eas_processor.app import plan
from eas_processor.app.plan import ServiceFile, _stamp, read_plan
from eas_processor.builds.find import Build
from eas_processor.contracts.settings import ServiceSettings
from eas_processor.errors import BuildError, SetupError
from eas_processor.model_store import fetch

Write = Callable[..., ServiceFile]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Return a function that writes a service file of these keys and the required ones."""
    monkeypatch.setenv("EAS_HOME", str(tmp_path / "home"))

    def _write(**keys: Any) -> ServiceFile:
        required = {"name": "a", "processor": "tensorflow_cpu", "model_path": "model"}
        (tmp_path / "a.json").write_text(json.dumps({**required, **keys}))
        return ServiceFile(tmp_path / "a.json")

    return _write


@pytest.fixture
def read(write: Write, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ServiceSettings]:
    """Return a function that reads a service file, with a build that is there."""
    build = Build("tensorflow_cpu", Path("/usr/bin/python3"), "hooks")
    monkeypatch.setattr(plan, "_build", lambda loaded: build)
    return lambda **keys: write(**keys).read()


def write_model(directory: Path, content: str) -> None:
    (directory / "variables").mkdir(parents=True)
    (directory / "saved_model.pb").write_text(content)
    (directory / "variables" / "variables.index").write_text(content)


def turn(link: Path, target: str) -> None:
    """As kubelet, git-sync and `ln -sfn` do it: at once."""
    (link.parent / "new").symlink_to(target)
    (link.parent / "new").replace(link)


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
        while len(stamps) < 10 and time.monotonic() < until:
            stamps.add(_stamp(tmp_path))
    finally:
        over.set()
        thread.join()
    assert len(stamps) == 10


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
    """Before a build is made: there is none."""
    (tmp_path / "m").mkdir()
    path = tmp_path / "a.json"
    service = {"name": "a", "processor": "tensorflow_cpu_1.12", "model_path": "m"}
    path.write_text(json.dumps({**service, "model_config": "threads=2"}))
    with pytest.raises(BuildError) as caught:
        read_plan(path)
    assert str(caught.value).startswith(f"{path}: model_config: tensorflow_cpu_1.12 reads a JSON")


@pytest.mark.parametrize("model_path", ["current", "current/1", "current/1/saved_model.pb"])
def test_a_version_is_where_a_link_led_when_it_was_read(
    read: Callable[..., ServiceSettings], tmp_path: Path, model_path: str
) -> None:
    for name in ("v1", "v2"):
        write_model(tmp_path / name / "1", name)
    turn(tmp_path / "current", "v1")
    before = read(model_path=model_path)
    assert before.worker.model_entry == tmp_path / "v1" / "1"
    turn(tmp_path / "current", "v2")
    after = read(model_path=model_path)
    assert after.worker.model_entry == tmp_path / "v2" / "1"
    assert after.needs_new_workers(before)
    # A rollback starts workers of the version before.
    assert ServiceFile(tmp_path / "a.json").model_is_kept(before)
    (tmp_path / "v1" / "1" / "saved_model.pb").write_text("v3")
    assert not ServiceFile(tmp_path / "a.json").model_is_kept(before)


@pytest.mark.parametrize("model_path", ["volume", "volume/saved_model.pb"])
def test_a_volume_of_kubernetes_whose_data_is_turned(
    read: Callable[..., ServiceSettings], tmp_path: Path, model_path: str
) -> None:
    volume = tmp_path / "volume"
    for name in ("..2026_01", "..2026_02"):
        write_model(volume / name, name)
    turn(volume / "..data", "..2026_01")
    for name in ("saved_model.pb", "variables"):
        (volume / name).symlink_to(f"..data/{name}")
    before = read(model_path=model_path)
    service = ServiceFile(tmp_path / "a.json")
    stamp = service.stamp()
    turn(volume / "..data", "..2026_02")
    shutil.rmtree(volume / "..2026_01")
    assert service.stamp() != stamp
    after = read(model_path=model_path)
    # What a worker loads that is started later, or by a rollback.
    for settings, content in ((before, "..2026_01"), (after, "..2026_02")):
        assert (settings.worker.model_entry / "saved_model.pb").read_text() == content
        assert service.model_is_kept(settings)


def test_a_model_at_a_file_url_is_watched(write: Write, tmp_path: Path) -> None:
    write_model(tmp_path / "model", "one")
    service = write(model_path=f"file://{tmp_path}/model")
    before = service.stamp()
    (tmp_path / "model" / "saved_model.pb").write_text("another")
    assert service.stamp() != before


def test_a_frozen_graph_behind_a_link(read: Callable[..., ServiceSettings], tmp_path: Path) -> None:
    for name in ("v1.pb", "v2.pb"):
        (tmp_path / name).write_bytes(b"\x0a\x00")
    turn(tmp_path / "frozen.pb", "v1.pb")
    assert read(model_path="frozen.pb").worker.model_entry == tmp_path / "v1.pb"


def test_a_link_that_is_turned_to_an_equal_model_is_seen(write: Write, tmp_path: Path) -> None:
    for name in ("v1", "v2"):
        write_model(tmp_path / name, "same")
    turn(tmp_path / "model", "v1")
    service = write()
    before = service.stamp()
    assert service.stamp() == before
    turn(tmp_path / "model", "v2")
    assert service.stamp() != before


def test_a_model_that_is_written_again_as_it_was_is_no_new_version(
    read: Callable[..., ServiceSettings], tmp_path: Path
) -> None:
    write_model(tmp_path / "model", "same")
    before = read()
    shutil.rmtree(tmp_path / "model")
    write_model(tmp_path / "model", "same")
    assert read() == before
    assert ServiceFile(tmp_path / "a.json").model_is_kept(before)


def test_a_model_that_is_overwritten_with_the_old_size_and_time_is_a_new_version(
    read: Callable[..., ServiceSettings], tmp_path: Path
) -> None:
    write_model(tmp_path / "model", "one")
    found = []
    for content in ("one", "two"):
        (tmp_path / "model" / "saved_model.pb").write_text(content)
        os.utime(tmp_path / "model" / "saved_model.pb", (0, 0))
        found.append((read(), ServiceFile(tmp_path / "a.json").stamp()))
    (before, stamp), (after, later) = found
    assert after.needs_new_workers(before)
    assert later != stamp  # so `--watch` sees it
    assert not ServiceFile(tmp_path / "a.json").model_is_kept(before)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"model_path": "gone"}, "model_path: {0}/gone does not exist"),
        ({"model_path": "ftp://host/m"}, "model_path: ftp:// is not supported"),
        ({"model_entry": "2"}, "model_entry: '2' is not in the model"),
        ({"model_path": "empty"}, "model_path: no model in {0}/empty: expected a SavedModel"),
        ({"model_path": "m.h5"}, "model_path: no model at {0}/m.h5: expected a SavedModel"),
        ({"model_path": "m.tar", "model_entry": "2"}, "model_entry: '2' is not in the model"),
        ({"model_path": "m.tar"}, "model_path: no model in "),
        ({"warm_up_data_path": "gone"}, "warm_up_data_path: {0}/gone does not exist"),
        ({"warm_up_data_path": "ftp://h/w"}, "warm_up_data_path: ftp:// is not supported"),
        ({"warm_up_data_path": "w.txt"}, "warm_up_data_path: {0}/w.txt, line 1: expected a"),
        (
            {"model_path": "http://127.0.0.1:9/m", "warm_up_data_path": "gone"},
            "warm_up_data_path: {0}/gone does not exist",
        ),
        ({"model_config": {"max_run": "soon"}}, "model_config.max_run: expected a number"),
        ({"networking": {"peers": ["h:99999"]}}, "networking.peers: "),
        ({"model_config": {"omp_num_threads": "x"}}, "model_config.omp_num_threads: expected"),
        (
            {"model_config": {"op_libraries": "libx.so"}},
            "model_config.op_libraries: libx.so is neither beside the service file, in {0}, nor",
        ),
        (
            {"model_config": {"op_libraries": ["/gone/libx.so"]}},
            "model_config.op_libraries: there is no file /gone/libx.so",
        ),
    ],
)
def test_what_the_service_file_shows_is_refused_before_a_build_is_made_or_a_model_fetched(
    write: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    keys: dict[str, Any],
    message: str,
) -> None:
    def too_late(*_: object, **__: object) -> Any:
        pytest.fail("something was made or fetched")

    monkeypatch.setattr(plan, "find_build", too_late)
    monkeypatch.setattr(fetch, "download", too_late)
    write_model(tmp_path / "model", "one")
    (tmp_path / "empty").mkdir()
    (tmp_path / "m.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    (tmp_path / "w.txt").write_text("{not base64")
    with tarfile.open(tmp_path / "m.tar", "w") as archive:
        archive.add(tmp_path / "m.h5", arcname="m.h5")
    with pytest.raises(SetupError) as caught:
        write(**keys).read()
    assert str(caught.value).startswith(f"{tmp_path}/a.json: {message.format(tmp_path)}")


def test_operation_libraries_are_found_beside_the_service_file_or_the_model(
    read: Callable[..., ServiceSettings], write: Write, tmp_path: Path
) -> None:
    write_model(tmp_path / "model", "one")
    (tmp_path / "first.so").write_text("1")
    (tmp_path / "model" / "second.so").write_text("2")
    config = {"op_libraries": "first.so, tensorflow_text, second.so", "strict_shapes": False}
    found = json.loads(read(model_config=config).worker.model_config)
    first, second = str(tmp_path / "first.so"), str(tmp_path / "model" / "second.so")
    assert found == {
        "op_libraries": [first, "tensorflow_text", second],
        "strict_shapes": False,
    }
    before = write(model_config=config).stamp()
    (tmp_path / "first.so").write_text("another")
    assert write(model_config=config).stamp() != before
