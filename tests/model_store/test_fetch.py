from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eas_processor.config import LoadedService, fetch_model
from eas_processor.errors import HomeError, ModelFetchError
from eas_processor.model_store.fetch import check_model

Load = Callable[..., LoadedService]


def pack(archive: Path, source: Path) -> Path:
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(source, arcname=".")
    return archive


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    (path / "1").mkdir(parents=True)
    (path / "1" / "saved_model.pb").write_text("one")
    return path


def refusal(loaded: LoadedService) -> str:
    with pytest.raises(ModelFetchError) as caught:
        fetch_model(loaded)
    return str(caught.value).removeprefix(f"{loaded.path}: ")


def test_a_directory_is_used_where_it_is(load: Load, model: Path, home: Path) -> None:
    assert fetch_model(load(model_path="./model")) == model
    assert fetch_model(load(model_path=str(model))) == model
    assert not home.exists()


def test_a_file_is_used_where_it_is(load: Load, tmp_path: Path) -> None:
    (tmp_path / "frozen.pb").write_bytes(b"\x0a\x01x")
    assert fetch_model(load(model_path="frozen.pb")) == tmp_path / "frozen.pb"
    entry = {"model_path": "frozen.pb", "model_entry": "./frozen.pb"}
    assert fetch_model(load(**entry)) == tmp_path / "frozen.pb"


def test_a_file_url_is_a_path(load: Load, model: Path, home: Path) -> None:
    for url in (f"file://{model}", f"FILE://localhost{model}", f"file://{str(model)[:-1]}%6C"):
        assert fetch_model(load(model_path=url)) == model
    assert not home.exists()


def test_paths_are_relative_to_the_service_file(
    load: Load, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load()
    monkeypatch.chdir(tmp_path.parent)
    relative = LoadedService(loaded.service, Path(tmp_path.name) / "service.json")
    assert fetch_model(relative) == model


@pytest.mark.parametrize("entry", ["1", "./1/", "1/saved_model.pb", "1/../1"])
def test_entries(load: Load, model: Path, entry: str) -> None:
    assert fetch_model(load(model_entry=entry)) == model / os.path.normpath(entry)


@pytest.mark.parametrize("entry", ["..", "../model", "/etc", "1/../../x"])
def test_entries_that_leave_the_model(load: Load, model: Path, entry: str) -> None:
    message = f"model_entry: {entry!r} is outside the model, expected a path inside it"
    assert refusal(load(model_entry=entry)) == message


def test_a_missing_entry_says_what_is_there(load: Load, model: Path, tmp_path: Path) -> None:
    (model / "notes.txt").touch()
    message = "model_entry: '2' is not in the model, which is a directory of 1/, notes.txt"
    assert refusal(load(model_entry="2")) == message
    for number in range(20):
        (model / f"x{number}").touch()
    assert refusal(load(model_entry="2")).endswith(" and 12 more")
    (tmp_path / "a.pb").write_bytes(b"x")
    message = "model_entry: '2' is not in the model, which is the one file a.pb"
    assert refusal(load(model_path="a.pb", model_entry="2")) == message


def test_an_archive_is_unpacked_once(load: Load, model: Path, tmp_path: Path, home: Path) -> None:
    pack(tmp_path / "model.tar.gz", model)
    entry = fetch_model(load(model_path="model.tar.gz", model_entry="./1/"))
    assert entry.is_relative_to(home / "models")
    before = entry.stat().st_ino
    assert fetch_model(load(model_path="model.tar.gz", model_entry="1")).stat().st_ino == before


def test_an_archive_that_is_looked_at_again_costs_no_open_file(
    load: Load, model: Path, tmp_path: Path
) -> None:
    pack(tmp_path / "model.tar.gz", model)
    fetch_model(load(model_path="model.tar.gz"))
    before = len(os.listdir("/proc/self/fd"))
    fetch_model(load(model_path="model.tar.gz"))
    assert len(os.listdir("/proc/self/fd")) == before


FETCH = """
import pathlib, sys
from eas_processor.config import fetch_model, load_service
print(fetch_model(load_service(pathlib.Path(sys.argv[1]))), flush=True)
sys.stdin.read()
"""


def fetching(loaded: LoadedService) -> subprocess.Popen[str]:
    """Start a process that fetches the model, prints its path, and uses it until stdin closes."""
    arguments = [sys.executable, "-c", FETCH, str(loaded.path)]
    return subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def line_of(process: subprocess.Popen[str]) -> Path:
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())


def test_older_unpackings_go_when_nobody_uses_them(load: Load, model: Path, tmp_path: Path) -> None:
    archive = pack(tmp_path / "model.tar.gz", model)
    loaded = load(model_path="model.tar.gz")
    with fetching(loaded) as first:
        old = line_of(first)
        (model / "1" / "more").touch()
        pack(archive, model)
        with fetching(loaded) as second:
            new = line_of(second)
            assert new != old
            assert (old / "1/saved_model.pb").exists()
            second.communicate()
        first.communicate()
    (model / "1" / "even more").touch()
    pack(archive, model)
    newest = fetch_model(loaded)
    assert sorted(each.name for each in newest.parent.iterdir()) == sorted(
        [newest.name, f"{newest.name}.lock", "lock"]
    )


def test_starts_at_the_same_time_share_one_unpacking(
    load: Load, model: Path, tmp_path: Path
) -> None:
    pack(tmp_path / "model.tar.gz", model)
    loaded = load(model_path="model.tar.gz")
    processes = [fetching(loaded) for _ in range(3)]
    paths = {line_of(each) for each in processes}
    assert [each.communicate()[1] for each in processes] == [""] * 3
    assert len(paths) == 1
    assert (paths.pop() / "1/saved_model.pb").read_text() == "one"


def test_a_new_archive_with_the_old_size_and_time_is_the_new_model(
    load: Load, tmp_path: Path
) -> None:
    """Reproducible builds set the time to 0."""
    archive, found = tmp_path / "model.tar", []
    for content in (b"one", b"two"):
        with tarfile.open(archive, "w") as packed:
            member = tarfile.TarInfo("saved_model.pb")
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
        os.utime(archive, (0, 0))
        found.append(fetch_model(load(model_path="model.tar")))
    assert [(each / "saved_model.pb").read_bytes() for each in found] == [b"one", b"two"]


def test_a_touched_archive_is_the_same_model(load: Load, model: Path, tmp_path: Path) -> None:
    archive = pack(tmp_path / "model.tar.gz", model)
    before = fetch_model(load(model_path="model.tar.gz"))
    os.utime(archive, (0, 0))
    assert fetch_model(load(model_path="model.tar.gz")) == before


def test_an_archive_that_is_overwritten_while_it_is_unpacked(
    load: Load, model: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = pack(tmp_path / "model.tar.gz", model)

    def overwrite(source: Path, target: Path) -> None:
        target.mkdir()
        archive.write_bytes(b"another")

    monkeypatch.setattr("eas_processor.model_store.fetch.unpack", overwrite)
    message = f"model_path: {archive} was changed while it was read; try again"
    assert refusal(load(model_path="model.tar.gz")) == message
    assert [each.name for each in home.rglob("*") if each.is_file()] == ["lock"]


def test_a_corrupt_archive_leaves_nothing(load: Load, tmp_path: Path, home: Path) -> None:
    (tmp_path / "model.tar.gz").write_bytes(b"\x1f\x8b\x08garbage")
    message = refusal(load(model_path="model.tar.gz"))
    assert message.startswith(f"model_path: {tmp_path / 'model.tar.gz'} is corrupt or cut off")
    assert [each.name for each in home.rglob("*") if each.is_file()] == ["lock"]


def test_an_archive_from_a_url(load: Load, model: Path, tmp_path: Path, server: Any) -> None:
    body = pack(tmp_path / "packed", model).read_bytes()
    server.answer = lambda path, headers: server.reply(body)
    loaded = load(model_path=f"{server.url}/models%2Fm.tar.gz", model_entry="1")
    assert (fetch_model(loaded) / "saved_model.pb").read_text() == "one"


def test_a_plain_file_from_a_url(load: Load, server: Any) -> None:
    server.answer = lambda path, headers: server.reply(b"\x0agraph")
    entry = fetch_model(load(model_path=f"{server.url}/frozen.pb"))
    assert (entry.name, entry.read_bytes()) == ("frozen.pb", b"\x0agraph")


def test_a_newer_file_from_a_url_leaves_the_older_one_to_its_workers(
    load: Load, server: Any
) -> None:
    loaded = load(model_path=f"{server.url}/frozen.pb")
    found = []
    for body in (b"\x0aold", b"\x0anew"):
        server.answer = lambda path, headers, body=body: server.reply(body)
        found.append(fetch_model(loaded))
    assert [each.read_bytes() for each in found] == [b"\x0aold", b"\x0anew"]
    assert [each.name for each in found] == ["frozen.pb"] * 2


def test_an_older_copy_is_noted(load: Load, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eas_processor.model_store.download.FIRST_PAUSE", 0)
    server.answer = lambda path, headers: server.reply(b"\x0agraph")
    loaded = load(model_path=f"{server.url}/frozen.pb")
    fetch_model(loaded)
    server.answer = lambda path, headers: server.reply(status=503)
    fetch_model(loaded)
    assert "the copy fetched earlier is used" in loaded.notes[0]


def test_models_that_are_not_there(load: Load, tmp_path: Path, server: Any) -> None:
    assert refusal(load()) == f"model_path: {tmp_path / 'model'} does not exist"
    url = f"{server.url}/m.tar.gz"
    assert refusal(load(model_path=url)) == f"model_path: {url}: the server answered 404 Not Found"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("hdfs://host/m", "model_path: hdfs:// is not supported: copy it with `hdfs dfs -get` and"),
        (
            "FTP://host/m",
            "model_path: ftp:// is not supported: copy it and give the local path",
        ),
        ("file://host/m", "model_path: expected file:///absolute/path, got 'file://host/m'"),
        ("file:///no/m", "model_path: /no/m does not exist"),
    ],
)
def test_other_places(load: Load, path: str, message: str) -> None:
    assert refusal(load(model_path=path)).startswith(message)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"model_path": "hdfs://host/m"}, "model_path: hdfs:// is not supported"),
        ({"model_path": "gone"}, "model_path: {0}/gone does not exist"),
        ({"model_path": "https:///m"}, "model_path: is not a URL: https:// is not followed by a"),
        ({"model_path": "http://h:x/m"}, "model_path: is not a URL: Port could not be cast"),
        ({"model_path": "notes.zip"}, "model_path: {0}/notes.zip is not an archive"),
        ({"model_entry": "2"}, "model_entry: '2' is not in the model"),
        ({"model_entry": "../m"}, "model_entry: '../m' is outside the model"),
        ({"model_path": "m.tgz", "model_entry": "/m"}, "model_entry: '/m' is outside the"),
        ({"model_path": "http://h/m", "model_entry": ".."}, "model_entry: '..' is outside the"),
    ],
)
def test_what_the_service_file_alone_shows_is_refused_before_anything_is_brought_here(
    load: Load, model: Path, tmp_path: Path, home: Path, keys: dict[str, str], message: str
) -> None:
    pack(tmp_path / "m.tgz", model)
    (tmp_path / "notes.zip").write_text("notes")
    loaded = load(**keys)
    with pytest.raises(ModelFetchError) as caught:
        check_model(loaded)
    assert str(caught.value).startswith(f"{loaded.path}: {message.format(tmp_path)}")
    assert not home.exists()


def test_what_the_service_file_shows_to_be_right(load: Load, model: Path, tmp_path: Path) -> None:
    pack(tmp_path / "m.tgz", model)
    check_model(load(model_entry="1"))
    check_model(load(model_path="m.tgz", model_entry="only the archive shows it"))
    check_model(load(model_path="http://nowhere.invalid/m"))


def test_a_home_that_cannot_be_written(load: Load, model: Path, tmp_path: Path, home: Path) -> None:
    pack(tmp_path / "model.tar.gz", model)
    home.write_text("a file")
    with pytest.raises(HomeError, match="set EAS_HOME"):
        fetch_model(load(model_path="model.tar.gz"))


def test_a_model_of_an_example_that_is_not_made_yet(load: Any, tmp_path: Path) -> None:
    """`service.json.example`, as printed, in a new clone."""
    (tmp_path / "examples" / "digits").mkdir(parents=True)
    (tmp_path / "examples" / "digits" / "train.py").touch()
    said = refusal(load(model_path="examples/digits/build/model.tar.gz"))
    program = tmp_path / "examples" / "digits" / "train.py"
    assert said.endswith(f"model.tar.gz does not exist; `python {program}` makes it")


def test_the_name_of_a_checkpoint_is_told_from_a_path_that_is_not_there(
    load: Load, tmp_path: Path
) -> None:
    (tmp_path / "model.ckpt-1.index").touch()
    assert refusal(load(model_path="model.ckpt-1")) == (
        f"model_path: {tmp_path / 'model.ckpt-1'} does not exist: it is the name of a checkpoint, "
        "and docs/exporting.md shows how to export a model"
    )
