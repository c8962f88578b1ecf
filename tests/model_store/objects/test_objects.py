"""Object stores against a real server of S3: what is fetched, and what is not fetched again."""

from __future__ import annotations

import io
import os
import resource
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from fixtures.object_store import BUCKET, ObjectStore, Way

from eas_processor.config import LoadedService, fetch_model, read_warm_up
from eas_processor.errors import EasError, ModelFetchError
from eas_processor.model_store.objects import copy
from eas_processor.model_store.objects.bucket import _etag
from eas_processor.processors.code import keep_code

Load = Callable[..., LoadedService]
# A listing or a HEAD with its answer; the bodies below are larger.
FEW = 3000
BODY = os.urandom(3_000_000)

pytestmark = [pytest.mark.medium, pytest.mark.usefixtures("no_settings")]


@pytest.fixture(autouse=True)
def settings(
    no_settings: None, store: ObjectStore, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in store.oss_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", store.key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", store.secret)
    monkeypatch.setenv("OSS_ENDPOINT", way.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL", way.url)
    monkeypatch.setattr(copy, "FIRST_PAUSE", 0)


def tar_of(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def put_model(store: ObjectStore, content: bytes = BODY) -> None:
    store.put("m/", b"")  # as consoles make directories
    store.put("m/1/", b"")
    store.put("m/1/saved_model.pb", b"graph")
    store.put("m/1/variables/variables.data-00000-of-00001", content)
    store.put("m/1/assets/empty", b"")
    store.put("more/other", b"not asked for")


def read(model: Path) -> dict[str, bytes]:
    return {
        str(each.relative_to(model)): each.read_bytes()
        for each in model.rglob("*")
        if each.is_file()
    }


def refusal(loaded: LoadedService) -> str:
    with pytest.raises(ModelFetchError) as caught:
        fetch_model(loaded)
    return str(caught.value).removeprefix(f"{loaded.path}: model_path: ")


@pytest.mark.parametrize("scheme", ["oss", "s3", "OSS"])
def test_an_archive(load: Load, store: ObjectStore, scheme: str) -> None:
    store.put("a/model.tar", tar_of(**{"saved_model.pb": b"graph"}))
    model = fetch_model(load(model_path=f"{scheme}://{BUCKET}/a/model.tar"))
    assert read(model) == {"saved_model.pb": b"graph"}


@pytest.mark.parametrize("path", ["m", "m/"])
def test_a_directory(load: Load, store: ObjectStore, path: str) -> None:
    put_model(store)
    assert read(fetch_model(load(model_path=f"oss://{BUCKET}/{path}"))) == {
        "1/saved_model.pb": b"graph",
        "1/variables/variables.data-00000-of-00001": BODY,
        "1/assets/empty": b"",
    }


def test_a_file_keeps_its_name(load: Load, store: ObjectStore) -> None:
    store.put("a b/ü %20#?.pb", b"\x0agraph")
    model = fetch_model(load(model_path=f"s3://{BUCKET}/a b/ü %20#?.pb"))
    assert (model.name, model.read_bytes()) == ("ü %20#?.pb", b"\x0agraph")


def test_a_warm_up_file(load: Load, store: ObjectStore) -> None:
    store.put("warm_up.bin", b"request")
    assert read_warm_up(load(warm_up_data_path=f"oss://{BUCKET}/warm_up.bin")) == [b"request"]


def test_a_processor(load: Load, store: ObjectStore) -> None:
    found = []
    for content in (b"one", b"two"):
        store.put("code/app.py", content)
        processor = {"processor_path": f"oss://{BUCKET}/code", "processor_entry": "app.py"}
        found.append(keep_code(load(processor="", **processor)))
    assert [each.entry.read_bytes() for each in found] == [b"one", b"two"]
    assert found[0].directory.parent == found[1].directory.parent


def test_a_second_start_fetches_nothing(load: Load, store: ObjectStore, way: Way) -> None:
    put_model(store)
    loaded = load(model_path=f"oss://{BUCKET}/m")
    first = fetch_model(loaded)
    before = way.received
    assert before > len(BODY)
    assert fetch_model(loaded) == first
    assert way.received - before < FEW


def test_without_a_connection_the_copy_is_used(load: Load, store: ObjectStore, way: Way) -> None:
    put_model(store)
    store.put("one.pb", b"\x0agraph")
    directory = load(model_path=f"oss://{BUCKET}/m")
    first = fetch_model(directory)
    fetch_model(load(model_path=f"oss://{BUCKET}/one.pb"))
    way.close()
    way.cut_after = 0
    directory = load(model_path=f"oss://{BUCKET}/m")
    assert fetch_model(directory) == first
    expected = f"oss://{BUCKET}/m: no connection to {way.url}: Connection refused; the copy fetched"
    assert directory.notes[0].startswith(expected)
    one = load(model_path=f"oss://{BUCKET}/one.pb")
    assert fetch_model(one).read_bytes() == b"\x0agraph"
    assert len(one.notes) == 1


def test_what_has_changed_is_fetched_and_nothing_else(
    load: Load, store: ObjectStore, way: Way
) -> None:
    put_model(store)
    loaded = load(model_path=f"oss://{BUCKET}/m")
    old = fetch_model(loaded)
    store.put("m/1/saved_model.pb", b"other")
    store.delete("m/1/assets/empty")
    before = way.received
    new = fetch_model(loaded)
    assert way.received - before < FEW * 2
    assert (new / "1/saved_model.pb").read_bytes() == b"other"
    assert not (new / "1/assets").exists()
    assert read(old)["1/saved_model.pb"] == b"graph"  # of the workers that load it still


def test_a_changed_object_is_another_model(load: Load, store: ObjectStore) -> None:
    found = []
    for content in (b"one", b"two"):
        store.put("model.tar", tar_of(saved=content))
        found.append(fetch_model(load(model_path=f"s3://{BUCKET}/model.tar")) / "saved")
    assert [each.read_bytes() for each in found] == [b"one", b"two"]


def test_a_download_that_is_cut_off_goes_on(
    load: Load, store: ObjectStore, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("model.pb", BODY)
    loaded = load(model_path=f"oss://{BUCKET}/model.pb")
    monkeypatch.setattr(copy, "TRIES", 1)
    way.cut_after = 2_500_000
    said = refusal(loaded)
    assert said.startswith(f"oss://{BUCKET}/model.pb: ")
    assert way.url in said
    before, way.cut_after = way.received, None
    assert fetch_model(loaded).read_bytes() == BODY  # by another process, as far as it knows
    assert way.received - before < len(BODY) - 1_000_000


def test_an_object_that_changes_after_the_cut_is_fetched_anew(
    load: Load, store: ObjectStore, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("model.pb", BODY)
    loaded = load(model_path=f"oss://{BUCKET}/model.pb")
    monkeypatch.setattr(copy, "TRIES", 1)
    way.cut_after = 2_500_000
    refusal(loaded)
    way.cut_after = None
    other = BODY[::-1]
    store.put("model.pb", other)
    assert fetch_model(loaded).read_bytes() == other


def test_an_object_that_changes_between_listing_and_reading(
    load: Load, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("model.pb", b"\x0aone")
    find, found = copy.Bucket.find, []

    def find_and_change(bucket: copy.Bucket) -> object:
        found.append(find(bucket))
        if len(found) == 1:
            store.put("model.pb", b"\x0atwo")
        return found[-1]

    monkeypatch.setattr(copy.Bucket, "find", find_and_change)
    model = fetch_model(load(model_path=f"oss://{BUCKET}/model.pb"))
    assert (model.read_bytes(), len(found)) == (b"\x0atwo", 2)


def test_anybody_may_read_what_is_public(
    load: Load, store: ObjectStore, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if "ACCESS_KEY" in name:
            monkeypatch.delenv(name)
    store.put("public.pb", b"\x0agraph", ACL="public-read")
    store.put("private.pb", b"\x0agraph")
    store.check_signatures(False)
    fetch_model(load(model_path=f"s3://{BUCKET}/public.pb"))
    said = refusal(load(model_path=f"oss://{BUCKET}/private.pb"))
    assert "not readable without credentials" in said
    assert "set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET" in said
    # Google's own interface in XML is the one of S3 as far as reading goes.
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", way.url)
    assert fetch_model(load(model_path=f"gs://{BUCKET}/public.pb")).name == "public.pb"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere/m", "there is no bucket nowhere at http://"),
        (f"{BUCKET}/gone", "there is no such object, and none below it"),
        (f"{BUCKET}/gone/", "there is no such object, and none below it"),
        (f"{BUCKET}/clash", "clash/a is an object and has others below it, so it cannot"),
    ],
)
def test_what_is_not_there(load: Load, store: ObjectStore, path: str, message: str) -> None:
    store.put("clash/a", b"1")
    store.put("clash/a/b", b"2")
    assert refusal(load(model_path=f"oss://{path}")).startswith(f"oss://{path}: {message}")


@pytest.mark.parametrize(
    ("key_id", "secret", "message"),
    [
        ("", "wrong", "the secret of the environment (OSS_ACCESS_KEY_ID) is not the one of its"),
        ("AKIDNOBODY", "wrong", " does not know the access key of the environment (OSS_ACCESS_KEY"),
    ],
)
def test_wrong_credentials(
    load: Load,
    store: ObjectStore,
    monkeypatch: pytest.MonkeyPatch,
    key_id: str,
    secret: str,
    message: str,
) -> None:
    store.put("model.pb", b"\x0agraph")
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", secret)
    if key_id:
        monkeypatch.setenv("OSS_ACCESS_KEY_ID", key_id)
    said = refusal(load(model_path=f"oss://{BUCKET}/model.pb"))
    assert message in said
    assert "wrong" not in said
    assert store.key_id not in said


@pytest.mark.parametrize(
    ("given", "etag"), [('"a"', '"a"'), ("a", '"a"'), (None, ""), ('W/"a"', 'W/"a"')]
)
def test_etags(given: str | None, etag: str) -> None:
    assert _etag({"e_tag": given}) == etag


def test_an_endpoint_where_nobody_listens(
    load: Load, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    way.close()
    way.cut_after = 0
    said = refusal(load(model_path=f"s3://{BUCKET}/m"))
    reason = f"no connection to {way.url}: Connection refused (5 tries)"
    assert said == f"s3://{BUCKET}/m: {reason}"


def test_the_metadata_of_the_machine_is_not_asked(
    load: Load, store: ObjectStore, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only where the environment says so, in AWS' own words."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    machine = Way(store.port)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", machine.url)
    store.put("m", b"\x0agraph")
    store.check_signatures(False)
    loaded = load(model_path=f"s3://{BUCKET}/m")
    assert "not readable without credentials" in refusal(loaded)
    assert machine.received == 0
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    fetch_model(loaded)  # moto answers as a machine's metadata as well
    assert machine.received > 0
    machine.close()


def test_settings_of_aws_are_not_taken_for_oss(
    load: Load, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("model.pb", b"\x0agraph")
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "other")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    fetch_model(load(model_path=f"oss://{BUCKET}/model.pb"))


FETCH = """
import pathlib, resource, sys
from eas_processor.config import fetch_model, load_service
import obstore
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
fetch_model(load_service(pathlib.Path(sys.argv[1])))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_the_model(load: Load, store: ObjectStore) -> None:
    for number in range(6):
        store.put(f"large/{number}", bytes(32 * 2**20))
    loaded = load(model_path=f"oss://{BUCKET}/large")
    command = [sys.executable, "-c", FETCH, str(loaded.path)]
    grown_kib = int(subprocess.run(command, check=True, capture_output=True).stdout)
    assert grown_kib < 64 * 2**10


def test_a_disk_without_room(
    load: Load, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("model.pb", BODY)
    monkeypatch.setattr(copy.FreeSpace, "lacks", lambda self, size: f"needs {size} bytes")
    said = refusal(load(model_path=f"oss://{BUCKET}/model.pb"))
    assert said == f"oss://{BUCKET}/model.pb: needs {len(BODY)} bytes"


def test_a_write_that_fails_leaves_nothing(load: Load, store: ObjectStore, home: Path) -> None:
    store.put("model.pb", BODY)
    loaded = load(model_path=f"oss://{BUCKET}/model.pb")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(BODY) // 2, limits[1]))
    try:
        with pytest.raises(EasError, match=r"cannot be stored in .*: File too large"):
            fetch_model(loaded)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {each.name for each in home.rglob("*") if each.is_file()} == {"lock"}
